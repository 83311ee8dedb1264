"""Stanzas under a form, as the engine writes them, and what the form costs.

    python -m bench.craft --stanzas 2500 --schemes AABB,ABAB,ABBA,AAAA,limerick --syllables 4-16 --out FILE.jsonl
    python -m bench.craft --speed                  the mask alone, and tokens a second beside unconstrained rows
    python -m bench.craft --filter 50000           lines of a hot network, and the explicit words in them
    python -m bench.craft --originality 200000     words, against an index of what the same seeds write without it

Every line is judged by `lyrics.verify`. Fluency is measured by the network itself: the bits of each token of a text
that is already written, read by transformers, against texts that the same network wrote freely at the same temperature
from the same prompts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from bench.stanzas import PATIENCE_S, PROMPTS, SIBLINGS, TEMPERATURE, TOP_P, Bench, Stanza, write, write_freely
from contracts.settings import share_cores
from contracts.wire import SamplingParams
from inference.delivery import Inbox, Postman
from inference.engine import Formed
from lyrics.clean import normalised_words
from lyrics.explicit import find_explicit
from lyrics.form import NAMED_SCHEMES, Form, Originality
from lyrics.meters import distinct_n, rhyme_factor, self_bleu
from lyrics.originality import OriginalityIndex
from lyrics.phones import Lexicon
from lyrics.verify import verify

# -- the work ---------------------------------------------------------------------------------------------------------

MOST_READ = 150  # texts whose bits are measured
WORDS_A_STANZA = 22  # of four lines of ten syllables, or some more
SHORTEST = {"limerick": (8, 8, 5, 5, 8)}


def stanzas(options: argparse.Namespace) -> list[Stanza]:
    """What is to be written: every scheme with every number of syllables, in turn, each prompt equally often."""
    low, _, high = options.syllables.partition("-")
    lengths = range(int(low), int(high or low) + 1)
    forms: list[tuple[str, Form]] = []
    for syllables in lengths:
        for scheme in options.schemes.split(","):
            counts: Any = syllables
            if scheme in SHORTEST:  # two short lines within the long ones, as the form has it
                short = max(int(low), syllables * 5 // 8)
                counts = [syllables, syllables, short, short, syllables]
            forms.append(
                (
                    scheme,
                    Form(
                        scheme=scheme,
                        syllables=counts,
                        metre=options.metre,
                        strictness=options.strictness,
                        mode=options.mode,
                        alternatives=1,
                    ),
                )
            )
    return [
        Stanza(
            forms[nth % len(forms)][1], PROMPTS[nth // SIBLINGS % len(PROMPTS)], 1_000 + nth, forms[nth % len(forms)][0]
        )
        for nth in range(options.stanzas)
    ]


# -- what is measured -------------------------------------------------------------------------------------------------


def judged(written: Sequence[Stanza]) -> dict[str, Any]:
    """Form accuracy by the verifier."""
    lexicon = Lexicon()
    kept = lines = on_grid = repeated = 0
    broken: dict[str, int] = defaultdict(int)
    for stanza in written:
        verdict = verify(stanza.text, stanza.form, lexicon)
        lines += len(verdict.lines)
        kept += sum(line.is_kept for line in verdict.lines)
        on_grid += sum(all(failure.rule != "metre" for failure in line.failures) for line in verdict.lines)
        ends = [line.text.rstrip(" ,.!?;:").split(" ")[-1].lower() for line in verdict.lines]
        repeated += len(ends) - len(set(ends))
        for rule, reason in (failure for line in verdict.lines for failure in line.failures):
            broken[rule] += 1
            print(f"  broken: {rule}: {reason} | {stanza.text!r}", file=sys.stderr)
    accuracy = {"form_accuracy": kept / max(1, lines), "lines": lines, "on_grid": on_grid / max(1, lines)}
    return accuracy | {"repeated_ends": repeated, **{f"broken_{rule}": num for rule, num in broken.items()}}


@torch.inference_mode()
def bits_per_token(bench: Bench, directory: Path, written: Sequence[Stanza]) -> float:
    """What the network, at temperature 1, gives the tokens of the texts: the mean over all tokens of all texts."""
    network = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    total = num_tokens = 0.0
    for stanza in written:
        head = bench.encode(stanza.prompt + "\n")
        ids = bench.encode(stanza.prompt + "\n" + stanza.text + "\n")
        logits = network(torch.tensor([ids])).logits[0, len(head) - 1 : -1]  # [num_new, vocab]
        drawn = torch.tensor(ids[len(head) :])
        total -= float(logits.float().log_softmax(-1).gather(1, drawn[:, None]).sum())
        num_tokens += len(drawn)
    return total / num_tokens / math.log(2)


def variety(written: Sequence[Stanza], num_words: int) -> dict[str, float]:
    """distinct-2 over texts of equally many words, self-BLEU-4 and the rhyme factor, each the mean over prompts."""
    lexicon = Lexicon()
    by_prompt: dict[str, list[str]] = defaultdict(list)
    for stanza in written:
        by_prompt[stanza.prompt].append(stanza.text)
    samples = [list(_first_words(texts, num_words)) for texts in by_prompt.values()]
    return {
        "distinct_2": mean(distinct_n(texts, 2) for texts in samples),
        "self_bleu_4": mean(self_bleu(texts[:100], 4) for texts in samples),
        "rhyme_factor": mean(rhyme_factor(stanza.text, lexicon) for stanza in written),
    }


def _first_words(texts: Sequence[str], num_words: int) -> Iterator[str]:
    left = num_words
    for text in texts:
        size = len(text.split())
        if size > left:
            return
        left -= size
        yield text


def fewest_words(*runs: Sequence[Stanza]) -> int:
    """The words of the prompt that has fewest, in whichever run."""
    counts: list[int] = []
    for written in runs:
        by_prompt: dict[str, int] = defaultdict(int)
        for stanza in written:
            by_prompt[stanza.prompt] += len(stanza.text.split())
        counts += by_prompt.values()
    return min(counts)


# -- speed ------------------------------------------------------------------------------------------------------------


async def speed(bench: Bench, rounds: int) -> list[dict[str, Any]]:
    """Fast mode against unconstrained rows, round by round in turn, at 1, 8 and 32 rows: medians of rounds."""
    results = []
    for rows in (1, 8, 32):
        rates: dict[str, list[float]] = {"free": [], "formed": []}
        masks: list[float] = []
        for nth in range(rounds + 1):
            for kind in rates:
                bench.form_s, bench.num_row_steps = 0.0, 0
                rate = await _rate(bench, rows, nth, kind == "formed")
                if nth:  # the first round only warms up
                    rates[kind].append(rate)
                    masks += [1e6 * bench.form_s / bench.num_row_steps] if kind == "formed" else []
        results.append(
            {
                "rows": rows,
                "free_tokens_per_s": median(rates["free"]),
                "formed_tokens_per_s": median(rates["formed"]),
                "ratio": median(formed / free for formed, free in zip(rates["formed"], rates["free"], strict=True)),
                "mask_us_per_row": median(masks),
            }
        )
    return results


async def _rate(bench: Bench, rows: int, nth: int, is_formed: bool) -> float:
    """Tokens a second of `rows` texts that begin together, from the first token of all to the last."""
    postman = Postman(asyncio.get_running_loop())
    form = Form(scheme="AABBCCDD", syllables=10)
    wanted = Stanza(form, PROMPTS[nth % len(PROMPTS)], nth, "AABBCCDD")
    formed = Formed(bench.prepare(wanted).begin) if is_formed else None
    params = SamplingParams(temperature=TEMPERATURE, top_p=TOP_P, seed=nth * 100, max_tokens=80)
    inbox = Inbox()
    ids = bench.encode(wanted.prompt + "\n")
    bench.engine.add(
        f"{nth}-{rows}-{is_formed}",
        ids,
        params,
        lambda pieces: postman.drop(inbox, pieces),
        formed=formed,
        num_takes=rows,
    )
    left, num_tokens, started = rows, 0, 0.0
    while left:
        for piece in await inbox.take(PATIENCE_S):
            if started:
                num_tokens += piece.num_tokens
            left -= piece.finish_reason is not None
        started = started or time.perf_counter()
    return num_tokens / (time.perf_counter() - started)


# -- what must never come ---------------------------------------------------------------------------------------------


def provoked(bench: Bench, num_lines: int) -> dict[str, Any]:
    """Explicit words in lines that a network writes at temperature 2, with the filter and, on a tenth, without."""
    figures: dict[str, Any] = {}
    for name, allowed, num in (("free", True, num_lines // 10), ("filtered", False, num_lines)):
        forms = [Form(scheme="AABBCCDD", syllables=size, strictness="near", explicit=allowed) for size in range(6, 14)]
        wanted = [
            Stanza(forms[nth % len(forms)], PROMPTS[nth % len(PROMPTS)], nth, "AABBCCDD") for nth in range(num // 8)
        ]
        asyncio.run(write(bench, wanted, temperature=2.0))
        lines = [line for stanza in wanted for line in stanza.text.split("\n")]
        found = [word for stanza in wanted for word in find_explicit(stanza.text)]
        figures |= {f"{name}_lines": len(lines), f"{name}_explicit_words": len(found)}
    return figures


def unheard_of(bench: Bench, num_words: int) -> dict[str, Any]:
    """Runs of six words shared with an index: of what a cold network writes, then of what it writes when it may not
    repeat that, with the same seeds, which provokes it, and with new ones. Counted by plain sets of tuples."""
    form = Form(scheme="AABB", syllables=10)
    num = num_words // WORDS_A_STANZA + 1
    first = [Stanza(form, PROMPTS[nth % len(PROMPTS)], nth, "AABB") for nth in range(num)]
    asyncio.run(write(bench, first, temperature=0.5))
    lines = [line for stanza in first for line in stanza.text.split("\n")]
    known = {run for stanza in first for run in _runs(stanza.text)}
    figures: dict[str, Any] = {"indexed_runs": len(known)}
    with tempfile.TemporaryDirectory() as folder:
        OriginalityIndex.build([*lines], "first").save(Path(folder) / "first")
        kept = form.model_copy(update={"originality": Originality(dataset="first", n=6)})
        index = OriginalityIndex.load(Path(folder) / "first")
        for name, later in (("same_seeds", 0), ("new_seeds", num)):
            again = [Stanza(kept, stanza.prompt, stanza.seed + later, "AABB") for stanza in first]
            asyncio.run(write(bench, again, temperature=0.5, indexes=Path(folder)))
            texts = [stanza.text for stanza in again if not stanza.is_dead]
            nearest = [index.nearest(line) for text in texts for line in text.split("\n")]
            near = sum(bool(found and found.is_near_duplicate) for found in nearest)
            figures |= {
                f"{name}_words": sum(len(normalised_words(text)) for text in texts),
                f"{name}_dead_ends": sum(stanza.is_dead for stanza in again),
                f"{name}_shared_runs_of_6": sum(run in known for text in texts for run in _runs(text)),
                f"{name}_near_duplicates": near / max(1, len(nearest)),
            }
    return figures


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    words = normalised_words(text)
    return zip(*(words[start:] for start in range(6)), strict=False)


# -- the run ----------------------------------------------------------------------------------------------------------


def main(arguments: list[str]) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.craft", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--checkpoint", default="var/bucket/checkpoints/smollm2-135m-instruct", help="a directory or shape"
    )
    parser.add_argument("--stanzas", type=int, default=100)
    parser.add_argument(
        "--schemes", default="AABB,ABAB,ABBA,AAAA,limerick", help=f"letters, or {', '.join(NAMED_SCHEMES)}"
    )
    parser.add_argument("--syllables", default="4-16", help="of each line: one number, or a range to go through")
    parser.add_argument("--metre", help="iambic, trochaic, ...")
    parser.add_argument("--strictness", default="perfect")
    parser.add_argument("--mode", choices=["fast", "crafted"], default="fast")
    parser.add_argument("--fluency", type=int, default=0, help="stanzas whose bits are measured, and their peers")
    parser.add_argument("--speed", action="store_true", help="measure the mask and tokens a second instead")
    parser.add_argument("--filter", type=int, default=0, help="lines of a hot network to look through instead")
    parser.add_argument("--originality", type=int, default=0, help="words to compare with an index instead")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, help="a file that gets one JSON object a stanza")
    parser.add_argument("--words", type=Path, default=Path(tempfile.gettempdir()) / "ghost-bench-words")
    options = parser.parse_args(arguments)
    share_cores()
    bench = Bench.over(options.checkpoint, options.words)
    bench.watch()
    if options.speed:
        for figures in asyncio.run(speed(bench, options.rounds)):
            _print(figures)
        bench.engine.stop()
        return
    if options.filter or options.originality:
        _print(provoked(bench, options.filter) if options.filter else unheard_of(bench, options.originality))
        bench.engine.stop()
        return
    wanted = stanzas(options)
    started = time.perf_counter()
    asyncio.run(write(bench, wanted))
    wall_s = time.perf_counter() - started
    written = [stanza for stanza in wanted if stanza.text and not stanza.is_dead]
    if options.out:
        with options.out.open("w") as file:
            for stanza in written:
                file.write(json.dumps(stanza.as_json()) + "\n")
    figures = {
        "stanzas": len(wanted),
        "mode": options.mode,
        "refusals": sum(bool(stanza.refusal) for stanza in wanted),
        "dead_ends": sum(stanza.is_dead for stanza in wanted),
        **judged(written),
        "ms_per_line": 1e3 * wall_s / max(1, sum(stanza.form.num_lines for stanza in written)),
        "mask_us_per_row": 1e6 * bench.form_s / max(1, bench.num_row_steps),
    }
    if options.fluency:
        figures |= fluency(bench, Path(options.checkpoint), written, options.fluency)
    _print(figures)
    bench.engine.stop()


def fluency(bench: Bench, directory: Path, written: Sequence[Stanza], num: int) -> dict[str, float]:
    """The form's cost in bits and variety, against free texts of the same network: at least `num` stanzas, all of the
    same prompts, so that each prompt has as many texts as it can."""
    by_prompt: dict[str, list[Stanza]] = defaultdict(list)
    for stanza in written:
        by_prompt[stanza.prompt].append(stanza)
    ours: list[Stanza] = []
    for texts in by_prompt.values():
        ours += texts if len(ours) < num else []
    free = asyncio.run(write_freely(bench, ours))
    sample = random.Random(1)
    some, some_free = (sample.sample(list(texts), min(MOST_READ, len(texts))) for texts in (ours, free))
    bits, free_bits = (bits_per_token(bench, directory, texts) for texts in (some, some_free))
    num_words = fewest_words(ours, free)
    figures, theirs = variety(ours, num_words), variety(free, num_words)
    result = {"bits_per_token": bits, "free_bits_per_token": free_bits, "tax_bits": bits - free_bits}
    result |= {"texts_per_prompt": len(ours) / len({stanza.prompt for stanza in ours})}
    for name, value in figures.items():
        ratio = value / theirs[name] if theirs[name] else 0.0
        result |= {name: value, f"free_{name}": theirs[name], f"{name}_ratio": ratio}
    return result


def _print(figures: dict[str, Any]) -> None:
    for name, value in figures.items():
        print(f"  {name:24} {value:.4f}" if isinstance(value, float) else f"  {name:24} {value}")
    print(json.dumps({name: round(v, 5) if isinstance(v, float) else v for name, v in figures.items()}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
