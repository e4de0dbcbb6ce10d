// Keeps the page live: it asks for the same page again when something changed and takes over what differs.
// Without it everything works all the same, by reloading.
"use strict";
(() => {
  const live = document.getElementById("live");
  let busy = false;

  // inUse reports whether somebody is filling a form in that part, which must not be taken from under their hands.
  const inUse = (part) => part.querySelector("details[open]") ||
    (part.contains(document.activeElement) && document.activeElement.closest("form"));

  const replace = (old, fresh) => {
    if (old.innerHTML === fresh.innerHTML || inUse(old)) return;
    const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    old.replaceChildren(...fresh.childNodes);
    copies(old);
    if (focused) [...old.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)?.focus({ preventScroll: true });
  };

  const take = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    document.title = fresh.title;
    const parts = [...document.querySelectorAll("[data-live]")];
    const now = new Set([...fresh.querySelectorAll("[data-live]")].map((e) => e.id));
    if (parts.some((p) => !now.has(p.id)) || parts.length !== now.size) {
      const main = document.getElementById("main");
      if (!inUse(main)) { main.replaceChildren(...fresh.getElementById("main").childNodes); copies(main); }
      return;
    }
    for (const part of parts) replace(part, fresh.getElementById(part.id));
  };

  const look = async () => {
    if (busy || document.hidden) return;
    busy = true;
    try {
      const url = new URL(location.href);
      url.searchParams.delete("done");
      const answer = await fetch(url, { headers: { Accept: "text/html" } });
      take(await answer.text());
      live.textContent = "";
    } catch {
      live.textContent = "rotatord does not answer; what you see may be old.";
    } finally {
      busy = false;
    }
  };

  // copies puts a button behind what one wants to paste elsewhere.
  const copies = (within) => {
    if (!navigator.clipboard) return;
    for (const code of within.querySelectorAll("code[data-copy]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = "copy";
      button.setAttribute("aria-label", "copy " + code.textContent);
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "copied";
      });
      code.after(" ", button);
    }
  };

  // The daemon says when something changed. A page in the background lets go of the stream: browsers hold few connections
  // to one server, and the daemon few streams.
  let source = null, soon = 0, ticks = 0;
  const changed = () => { soon ||= setTimeout(() => { soon = 0; look(); }, 300); };
  const listen = () => {
    source?.close();
    source = document.hidden ? null : new EventSource("/api/v1/events");
    source?.addEventListener("change", changed);
    source?.addEventListener("reset", changed);
  };
  // Without a stream the page asks every few seconds; with one it asks now and then, because "3 min ago" ages, too.
  const tick = () => {
    ticks++;
    if (source?.readyState !== EventSource.OPEN || ticks % 6 === 0) look();
    if (source?.readyState === EventSource.CLOSED && ticks % 12 === 0) listen();
  };

  copies(document);
  listen();
  setInterval(tick, 5000);
  document.addEventListener("visibilitychange", () => { listen(); look(); });
})();
