// Controllers: data-c="name" on an element runs the function registered under that name when the element appears, and
// aborts the signal it was given when the element goes. What a morph keeps stays connected.

export type Controller = (node: HTMLElement, signal: AbortSignal) => void;

const known = new Map<string, Controller>();
const running = new Map<Element, AbortController>();

export function register(name: string, run: Controller): void {
  known.set(name, run);
}

export function start(): void {
  document.documentElement.classList.add("js");
  connect(document.body);
  new MutationObserver((changes) => {
    for (const change of changes) {
      for (const node of change.removedNodes) if (node instanceof HTMLElement) disconnect(node);
      for (const node of change.addedNodes) if (node instanceof HTMLElement && node.isConnected) connect(node);
    }
  }).observe(document.documentElement, { childList: true, subtree: true });
}

function each(root: HTMLElement, run: (node: HTMLElement) => void): void {
  if (root.matches("[data-c]")) run(root);
  root.querySelectorAll<HTMLElement>("[data-c]").forEach(run);
}

function connect(root: HTMLElement): void {
  each(root, (node) => {
    if (running.has(node)) return;
    const stop = new AbortController();
    running.set(node, stop);
    for (const name of (node.dataset.c ?? "").split(" ")) known.get(name)?.(node, stop.signal);
  });
}

function disconnect(root: HTMLElement): void {
  each(root, (node) => {
    if (node.isConnected) return;
    running.get(node)?.abort();
    running.delete(node);
  });
}
