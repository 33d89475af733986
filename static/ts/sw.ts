// The service worker: hashed assets stay in the browser, and without a connection there is a page that says so.
// It never keeps mail: everything but /assets/ and /offline goes to the network untouched.
//
// Contract: served as /sw.js (no-cache) by src/web/pwa.rs; /offline is a page that needs nobody signed in.

const CACHE = "postamt-1";
const OFFLINE = "/offline";

interface Worker {
  addEventListener(type: "install" | "activate", run: (e: { waitUntil(p: Promise<unknown>): void }) => void): void;
  addEventListener(type: "fetch", run: (e: { request: Request; respondWith(p: Promise<Response>): void }) => void): void;
  skipWaiting(): Promise<void>;
  clients: { claim(): Promise<void> };
}
const worker = self as unknown as Worker;

worker.addEventListener("install", (e) => e.waitUntil(caches.open(CACHE).then((cache) => cache.add(OFFLINE)).then(() => worker.skipWaiting())));

worker.addEventListener("activate", (e) => e.waitUntil(
  caches.keys().then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)))).then(() => worker.clients.claim()),
));

worker.addEventListener("fetch", (e) => {
  const { request } = e;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (url.pathname.startsWith("/assets/")) e.respondWith(asset(request));
  else if (request.mode === "navigate") e.respondWith(fetch(request).catch(async () => (await caches.match(OFFLINE)) ?? Response.error()));
});

/** From the cache, for its name says what is in it; else from the network, and the version before it goes. */
async function asset(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (!answer.ok) return answer;
  await cache.put(request, answer.clone());
  const name = (url: string) => new URL(url).pathname.replace(/-[0-9a-f]{10}\./, ".");
  for (const old of await cache.keys()) if (old.url !== request.url && name(old.url) === name(request.url)) await cache.delete(old);
  return answer;
}
