// Requests of our own scripts: the token, events in HX-Trigger, and what to do when the session is over.

import { fire, page } from "./page";

export interface Options { json?: boolean; keepalive?: boolean }

/** Sends a form; `null` when the network failed. Events of HX-Trigger are fired before this returns. */
export async function post(url: string, body: FormData | URLSearchParams, options: Options = {}): Promise<Response | null> {
  return request(url, { method: "POST", body, keepalive: options.keepalive ?? false, headers: headers(options.json) });
}

export async function get(url: string, options: Options = {}): Promise<Response | null> {
  return request(url, { headers: headers(options.json) });
}

function headers(json?: boolean): Record<string, string> {
  const common = { "X-CSRF-Token": page().csrf };
  return json ? { ...common, Accept: "application/json" } : { ...common, "HX-Request": "true", "HX-Request-Type": "partial" };
}

async function request(url: string, init: RequestInit): Promise<Response | null> {
  try {
    const answer = await fetch(url, { ...init, mode: "same-origin", redirect: "follow" });
    if (answer.status === 401) fire("session:over");
    triggers(answer.headers.get("HX-Trigger"));
    return answer;
  } catch {
    return null;
  }
}

function triggers(header: string | null): void {
  if (!header) return;
  if (!header.startsWith("{")) {
    for (const name of header.split(",")) fire(name.trim());
    return;
  }
  for (const [name, detail] of Object.entries(JSON.parse(header) as Record<string, unknown>)) fire(name, detail);
}
