// A card that follows the finger, and flies when it is let go far enough.

const FAR_PX = 90;

export function onSwipe(card: HTMLElement, swiped: (way: "left" | "right") => void): void {
  let from: { x: number; y: number } | null = null;
  card.style.touchAction = "pan-y"; // up and down is still the page's
  card.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    if ((event.target as Element).closest("input, button, a")) return;
    from = { x: event.clientX, y: event.clientY };
  });
  card.addEventListener("pointermove", (event) => {
    if (!from) return;
    const x = event.clientX - from.x;
    if (Math.abs(x) < 6 || Math.abs(x) < Math.abs(event.clientY - from.y)) return;
    if (!card.hasPointerCapture(event.pointerId)) card.setPointerCapture(event.pointerId);
    window.getSelection()?.removeAllRanges();
    card.style.transform = `translateX(${x}px) rotate(${x / 40}deg)`;
    card.dataset["leaning"] = x > 0 ? "right" : "left";
  });
  const end = (event: PointerEvent, isLetGo: boolean): void => {
    const x = from ? event.clientX - from.x : 0;
    const isDragged = card.hasPointerCapture(event.pointerId);
    from = null;
    card.style.transform = "";
    delete card.dataset["leaning"];
    if (isLetGo && isDragged && Math.abs(x) >= FAR_PX) swiped(x > 0 ? "right" : "left");
  };
  card.addEventListener("pointerup", (event) => end(event, true));
  card.addEventListener("pointercancel", (event) => end(event, false));
}
