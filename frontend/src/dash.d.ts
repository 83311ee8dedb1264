// What Dash's renderer puts on the window.

export {};

declare global {
  interface Window {
    dash_clientside: {
      set_props(id: string, props: Record<string, unknown>): void;
      callback_context: { triggered_id?: string };
      [namespace: string]: unknown;
    };
  }
}
