// That something works: a button, a bar and a word, for whatever takes longer than a blink. On every page, those
// outside included; nothing depends on it.
//
// A form or link is left to the browser (no fetch: its own errors, downloads and progress stay what they are), so the
// end has to be seen from here. A page that comes takes this one away. A file does not: no event tells that an answer
// was saved rather than shown. So a cookie goes with the request, and whatever hands out a file takes it away
// (webui/security.py); it is gone as well when it is too old, for whom the browser's Stop button makes no sound.

const DELAY_MILLISECONDS = 400;
const LOOK_MILLISECONDS = 200;
const SAID_MILLISECONDS = 1500;
const LONGEST_SECONDS = 120;
const AWAITED = "__Host-coati-awaited";

const root = document.documentElement;
const bar = document.getElementById("progress");
const word = bar.querySelector("span");
const shown = new Set();

// Something begins; gives what to call when it has ended.
function begin(button) {
  const work = { button };
  // What stands outside an open dialog is not read aloud, and lies behind it.
  (document.querySelector("dialog[open]") ?? document.body).append(bar);
  const timer = setTimeout(() => {
    shown.add(work);
    button?.setAttribute("aria-busy", "true");
    root.classList.add("working");
    word.textContent = "Working…";
  }, DELAY_MILLISECONDS);
  return () => {
    clearTimeout(timer);
    if (!shown.delete(work)) return;
    button?.removeAttribute("aria-busy");
    if (shown.size) return;
    root.classList.remove("working");
    word.textContent = "Done.";
    setTimeout(() => shown.size || (word.textContent = ""), SAID_MILLISECONDS);
  };
}

// ---- what the browser does: one request at a time, the latest counts ----

let leaving = null;

function leave(form, button) {
  stay();
  const ticket = crypto.randomUUID();
  document.cookie = `${AWAITED}=${ticket}; Path=/; Secure; SameSite=Strict; Max-Age=${LONGEST_SECONDS}`;
  const looking = setInterval(() => document.cookie.includes(ticket) || stay(), LOOK_MILLISECONDS);
  leaving = { form, looking, end: begin(button) };
}

function stay() {
  if (!leaving) return;
  clearInterval(leaving.looking);
  leaving.end();
  leaving = null;
}

// Before all others hear of it: what is on its way is not sent again.
window.addEventListener(
  "submit",
  (event) => {
    if (leaving?.form !== event.target) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  { capture: true },
);

// After all others: what a script took over is not the browser's any more.
window.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("method") === "dialog") return;
  leave(form, event.submitter ?? form.querySelector("button"));
});

window.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const within = link.hash && link.href.split("#")[0] === location.href.split("#")[0];
  if (link.origin === location.origin && !link.target && !link.hasAttribute("download") && !within) leave(null, null);
});

window.addEventListener("keydown", (event) => {
  if (event.key === "Escape") stay(); // the key of the Stop button
});

// A page that is kept for going back to is kept as it was before.
window.addEventListener("pagehide", stay);

// ---- what htmx asks for; what follows by itself (ui.live) is nobody's waiting ----

document.addEventListener("htmx:before:request", (event) => {
  const { ctx } = event.detail;
  const { request, sourceElement } = ctx;
  if ("Coati-Live" in request.headers || sourceElement.id === "signals") return;
  const end = begin(sourceElement.closest("button"));
  // At the element: it may be out of the page by then. It hears of requests of what is in it as well.
  sourceElement.addEventListener("htmx:finally:request", function over(ended) {
    if (ended.detail.ctx !== ctx) return;
    sourceElement.removeEventListener("htmx:finally:request", over);
    end();
  });
});
