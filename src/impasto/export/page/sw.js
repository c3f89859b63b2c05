/** Keeps the page for use without a network. Above this line stand VERSION, FILES and LATER, which the export writes. */

const SCOPE = `impasto ${new URL(self.registration.scope).pathname} `; // several pages may share a host
const CACHE = SCOPE + VERSION;

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(CACHE);
      await cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })));
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) if (name.startsWith(SCOPE) && name !== CACHE) await caches.delete(name);
      await self.clients.claim();
    })(),
  );
});

const own = new Set([...FILES, ...LATER].map((file) => new URL(file, self.registration.scope).href));

self.addEventListener("fetch", (event) => {
  const url = event.request.url.split(/[?#]/)[0];
  if (event.request.method !== "GET" || !own.has(url)) return;
  event.respondWith(answer(event.request, url));
});

/** From the cache; files that are loaded later, such as WebGPU's, are kept when they first come. */
async function answer(request, url) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(url);
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok) await cache.put(url, response.clone());
  return response;
}
