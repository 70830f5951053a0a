// What only a script can do, on pages that work without: dialogs, hot keys, the palette, copying, selecting all,
// colours without a reload, heads that stay in sight, and the dot that says how fresh the page is.

const root = document.documentElement;
root.classList.add("scripted");
const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// ---- what is read aloud: what somebody did, and that the line is lost; never what moves by itself ----

const spoken = find("#spoken");
let forgetting;

function say(words) {
  if (!spoken) return;
  spoken.textContent = words;
  clearTimeout(forgetting);
  forgetting = setTimeout(() => (spoken.textContent = ""), 5000);
}

// A region that has its words when the page comes is silent. What was said meanwhile stays.
setTimeout(() => {
  const note = find("#note");
  if (note && !spoken?.textContent) say(note.textContent);
}, 300);

// ---- dialogs: a confirmation page, asked for as a part ----

const dialog = find("#dialog");

async function ask(address) {
  const content = find("#dialog-content");
  content.replaceChildren();
  await htmx.ajax("GET", address, { target: content, swap: "innerHTML" });
  if (content.childElementCount) dialog.showModal();
  else location.assign(address); // it did not come: the browser says why
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    ask(link.getAttribute("href"));
  }
  const opener = event.target.closest("[data-open]");
  if (opener) find(`#${opener.dataset.open}`).showModal();
  const closer = event.target.closest("[data-close]");
  const around = closer?.closest("dialog");
  if (around) {
    event.preventDefault();
    around.close();
  }
  if (event.target instanceof HTMLDialogElement) event.target.close();
});

document.addEventListener("submit", (event) => {
  if (event.target.matches("form[data-dialog]")) {
    event.preventDefault();
    ask(`${event.target.action}?${new URLSearchParams(new FormData(event.target, event.submitter))}`);
  }
});

// ---- copying ----

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.classList.add("done");
  say("Copied.");
  setTimeout(() => button.classList.remove("done"), 1500);
});

// ---- a refused form: its fields are called as their labels call them ----

for (const link of all(".refused a")) {
  const field = find(link.hash);
  const words = field?.labels?.[0]?.textContent ?? (field && find("legend", field)?.textContent);
  if (words) link.textContent = words.trim();
}

// ---- selecting ----

function showBulk() {
  const bar = find(".bulk");
  if (!bar) return;
  const every = find("[data-every]:checked", bar);
  const chosen = every ? Number(every.dataset.every).toLocaleString("en") : all("td [form=bulk]:checked").length;
  bar.classList.toggle("some", Boolean(chosen));
  for (const each of all("[data-words]", bar)) each.textContent = each.dataset.words.replace("#", chosen || "");
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-all]"))
    for (const box of all(`input[name=${event.target.dataset.all}]`)) box.checked = event.target.checked;
  showBulk();
});

// ---- tables: what fits the window is no stop for the keyboard, and its heads may hold to the window ----

function fit(box) {
  box.classList.remove("fits");
  const fits = box.scrollWidth <= box.clientWidth && box.scrollHeight <= box.clientHeight;
  box.classList.toggle("fits", fits);
  box.tabIndex = fits ? -1 : 0;
}

const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const box = target.closest(".scroll"); // none, once a part without the table came in its place
    if (box) fit(box);
  }
});
// ---- colours: the server keeps the choice, the page changes at once ----

document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!event.target.matches("form[action='/scheme']") || !button) return;
  event.preventDefault();
  root.dataset.scheme = button.value;
  for (const each of all("[name=scheme]")) each.setAttribute("aria-pressed", String(each === button));
  fetch("/scheme", { method: "POST", keepalive: true, headers: { "Coati-Script": "1" }, body: new URLSearchParams({ scheme: button.value }) });
});

// ---- keys ----

const palette = find("#palette");
const typing = (element) => element.matches("input:not([type=checkbox], [type=radio]), textarea, select");
let jumping = -Infinity;

function openPalette() {
  palette.showModal();
  const input = find("input", palette);
  input.select();
  input.dispatchEvent(new CustomEvent("palette"));
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    if (palette.open) palette.close();
    else openPalette();
    return;
  }
  if (palette.open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    const places = [find("input", palette), ...all("a", palette)];
    const step = event.key === "ArrowDown" ? 1 : -1;
    places[(places.indexOf(document.activeElement) + step + places.length) % places.length].focus();
    event.preventDefault();
    return;
  }
  if (palette.open && event.key === "Enter" && typing(event.target)) {
    const first = find("#palette-found a");
    if (first) {
      event.preventDefault();
      first.click();
    }
    return;
  }
  if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey || find("dialog[open]")) return;
  if (event.timeStamp - jumping < 1500) {
    jumping = -Infinity;
    find(`a[data-key="${CSS.escape(event.key)}"]`)?.click();
  } else if (event.key === "g") jumping = event.timeStamp;
  else if (event.key === "?") find("#keys").showModal();
  else if (event.key === "/") {
    event.preventDefault();
    (find("[data-search]") ?? find(".search input")).focus();
  }
});

// ---- forms with something typed in are not left by accident ----

let unsaved = false;
document.addEventListener("input", (event) => {
  if (event.target.closest("form[data-guard]")) unsaved = true;
});
document.addEventListener("submit", () => (unsaved = false));
window.addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
});

// What follows by itself asks for the page that is there when its turn comes: while it waited somebody may have typed
// into the filter.
document.addEventListener("htmx:before:request", (event) => {
  const { request, sourceElement } = event.detail.ctx;
  if (sourceElement.getAttribute("hx-get") !== "") return;
  request.action = location.pathname + location.search;
  request.headers["HX-Current-URL"] = location.href;
});

// ---- how fresh the page is ----

const dot = find("#live-dot");
const LATE_SECONDS = 12;
const opened = Date.now();
let heard = 0;
let following = null;

function ago(seconds) {
  if (seconds < 60) return `${10 * Math.floor(seconds / 10)} s`;
  return `${Math.floor(seconds / 60)} min`;
}

function freshness() {
  const age = (Date.now() - (heard || opened)) / 1000;
  if (age < LATE_SECONDS) return heard ? "live" : "connecting";
  return heard ? `last update ${ago(age)} ago` : "not live";
}

function showFreshness() {
  if (!dot || document.hidden) return;
  const words = freshness();
  const text = find("span", dot);
  if (text.textContent === words) return;
  dot.classList.toggle("live", words === "live");
  text.textContent = words;
  if (!heard || following === (words === "live")) return;
  if (following !== null) say(following ? "The line to Coati is lost: this page stands still." : "This page is live again.");
  following = words === "live";
}

for (const news of ["htmx:sse:after:connection", "htmx:sse:before:message"])
  document.addEventListener(news, () => {
    heard = Date.now();
    showFreshness();
  });
setInterval(showFreshness, 1000);

// What is exported is what is shown, also after somebody typed into the filter.
function exportShown() {
  for (const link of all(".exports a")) {
    const shown = new URL(location);
    for (const part of ["page", "before"]) shown.searchParams.delete(part);
    shown.searchParams.set("format", new URL(link.href).searchParams.get("format"));
    link.href = shown;
  }
}

document.addEventListener("htmx:after:history:replace", exportShown);
// Who narrows a list hears how much is left of it; a list that moves by itself says nothing.
document.addEventListener("htmx:after:request", (event) => {
  if (event.detail.ctx.sourceElement.matches("form.filter"))
    setTimeout(() => say((find("#live caption") ?? find("#live .empty strong"))?.textContent ?? ""), 300);
});

function dress() {
  showBulk();
  all(".scroll").forEach(fit);
  for (const box of all(".scroll, .scroll > table")) sizes.observe(box);
}

document.addEventListener("htmx:after:swap", dress);
dress();
