// Returns what is wrong with the page for people who use it with a keyboard, a screen reader, or in bad light.
(() => {
  const wrong = [];
  for (const d of document.querySelectorAll("details")) d.open = true;
  const say = (what, e) => wrong.push(what + (e ? ": " + e.outerHTML.slice(0, 120) : ""));
  const shown = (e) => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== "hidden";
  if (!document.documentElement.lang) say("no language");
  if (!document.title) say("no title");
  for (const landmark of ["header", "nav", "main", "footer"]) if (document.querySelectorAll(landmark).length !== 1) say("not one " + landmark);
  if (document.querySelectorAll("h1").length !== 1) say("not one h1");
  let level = 0;
  for (const h of document.querySelectorAll("h1, h2, h3, h4")) {
    const now = Number(h.tagName[1]);
    if (now > level + 1) say("a heading skips a level", h);
    level = now;
  }
  for (const c of document.querySelectorAll("input:not([type=hidden]), select, textarea")) if (!c.labels?.length) say("no label", c);
  for (const b of document.querySelectorAll("button, a, summary")) if (!(b.textContent.trim() || b.getAttribute("aria-label"))) say("no name", b);
  for (const s of document.querySelectorAll("svg")) if (s.getAttribute("role") !== "img" || !(s.getAttribute("aria-label") || s.querySelector("title"))) say("a picture without words", s);
  for (const t of document.querySelectorAll("table th")) if (!t.scope) say("no scope", t);
  for (const r of document.querySelectorAll("[aria-labelledby]")) for (const id of r.getAttribute("aria-labelledby").split(" ")) if (!document.getElementById(id)) say("labelled by nothing", r);
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  if (new Set(ids).size !== ids.length) say("an id is there twice");
  if (document.querySelector("[tabindex]:not([tabindex='-1'])")) say("a tab order of its own");
  if (document.documentElement.scrollWidth > innerWidth) say(`wider than the screen: ${document.documentElement.scrollWidth} > ${innerWidth}`);

  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = (c) => c.slice(0, 3).map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; } return [255, 255, 255, 255]; };
  for (const e of document.querySelectorAll("body *")) {
    const text = [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
    if (!text || !shown(e) || e.closest("title, desc, noscript, script")) continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(rgb(e.closest("svg") ? style.fill : style.color)), light(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) say(`contrast ${((a + 0.05) / (b + 0.05)).toFixed(2)}`, e);
  }
  for (const e of document.querySelectorAll("a, button, input:not([type=hidden]), select, summary")) {
    if (!shown(e) || e.disabled) continue;
    e.focus({ preventScroll: true, focusVisible: true });
    if (document.activeElement !== e) say("cannot be focused", e);
    else if (getComputedStyle(e).outlineStyle === "none") say("its focus is not seen", e);
  }
  document.activeElement?.blur();
  return wrong;
})()
