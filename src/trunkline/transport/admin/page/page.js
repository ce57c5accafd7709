// The page is rendered by the server. This script fetches it again when something has happened, and puts the changed
// parts in place: elements with the same `data-part`. Every change is a request to the admin surface.
"use strict";

const $ = (id) => document.getElementById(id);
const partsToRefresh = new Set();
let refreshing = null;

async function send(method, path, body) {
  const headers = { "x-trunkline": "yes" };
  if (body !== undefined) headers["content-type"] = "application/json";
  const response = await fetch(path, { method, headers, body });
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    throw new Error(answer.error || `the server answered ${response.status}`);
  }
}

function say(text) {
  $("message").textContent = text;
  if (text) setTimeout(() => say(""), 8000);
}

// Several events within a moment cause one refresh.
function refresh(...parts) {
  parts.forEach((part) => partsToRefresh.add(part));
  refreshing ??= setTimeout(async () => {
    const wanted = [...partsToRefresh];
    partsToRefresh.clear();
    try {
      const response = await fetch("./", { headers: { accept: "text/html" } });
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      wanted.forEach((part) => replacePart(part, fresh));
      applyFilter();
    } catch (error) {
      say(`The page could not be refreshed: ${error.message}`);
    } finally {
      refreshing = null;
      if (partsToRefresh.size) refresh();
    }
  }, 250);
}

function replacePart(part, fresh) {
  const now = document.querySelector(`div[data-part="${part}"], tbody[data-part="${part}"]`);
  const next = fresh.querySelector(`div[data-part="${part}"], tbody[data-part="${part}"]`);
  if (!now || !next) return;
  for (const details of now.querySelectorAll("details[id], [id] details")) {
    const key = details.id || details.closest("[id]").id;
    const same = next.querySelector(details.id ? `#${CSS.escape(key)}` : `#${CSS.escape(key)} details`);
    if (same) same.open = details.open;
  }
  const focused = now.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  now.replaceChildren(...next.childNodes);
  if (focused) now.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
}

function applyFilter() {
  const words = $("filter").value.toLowerCase().split(/\s+/);
  for (const row of document.querySelectorAll("#requests tbody tr")) {
    const text = row.textContent.toLowerCase();
    const fits = words.every((word) => text.includes(word));
    row.hidden = !fits || ($("refused").checked && !("refused" in row.dataset));
  }
}

function edit(button) {
  const [method, path] = button.dataset.edit.split(" ");
  $("editor-title").textContent = button.getAttribute("aria-label") || button.textContent;
  $("editor-text").value = button.dataset.json;
  $("editor-error").textContent = "";
  $("editor").onsubmit = async (event) => {
    if (event.submitter?.value !== "save") return;
    event.preventDefault();
    try {
      JSON.parse($("editor-text").value);
      await send(method, path, $("editor-text").value);
      $("editor").close();
      refresh("records");
    } catch (error) {
      $("editor-error").textContent = error.message;
    }
  };
  // The button may have been replaced meanwhile by a refresh.
  $("editor").onclose = () => document.querySelector(`[data-edit="${CSS.escape(button.dataset.edit)}"]`)?.focus();
  $("editor").showModal();
  $("editor-text").focus();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.copy !== undefined) {
    const label = button.textContent;
    await navigator.clipboard.writeText(button.dataset.copy).then(
      () => { button.textContent = "Copied"; },
      () => say("The browser does not allow copying; select the text instead."),
    );
    setTimeout(() => { button.textContent = label; }, 1500);
  } else if (button.dataset.edit) {
    edit(button);
  } else if (button.dataset.send) {
    if (button.dataset.confirm && !confirm(button.dataset.confirm)) return;
    const [method, path] = button.dataset.send.split(" ");
    try {
      await send(method, path, button.dataset.json);
      refresh(button.dataset.part);
    } catch (error) {
      say(error.message);
    }
  }
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.send) return;
  event.preventDefault();
  const [method, path] = form.dataset.send.split(" ");
  try {
    await send(method, path, JSON.stringify({ [form.dataset.list]: new FormData(form).getAll("line") }));
    form.reset();
    refresh(form.dataset.part);
  } catch (error) {
    say(error.message);
  }
});

$("filter").addEventListener("input", applyFilter);
$("refused").addEventListener("change", applyFilter);

let events = null;

function follow(on) {
  $("pause").textContent = on ? "Pause" : "Continue";
  events?.close();
  events = null;
  if (!on) return showLive("paused", false);
  events = new EventSource("requests/events");
  events.onopen = () => { showLive("live", true); refresh("requests", "records", "faults"); };
  events.onerror = () => showLive(events?.readyState === EventSource.CLOSED ? "ended; reload the page" : "not connected", false);
  events.onmessage = (event) => {
    const reads = ["GET", "HEAD", "OPTIONS"].includes(JSON.parse(event.data).method);
    refresh("requests", "faults", ...(reads ? [] : ["records"]));
  };
  events.addEventListener("changed", () => refresh("requests", "records", "faults"));
}

function showLive(text, on) {
  $("live").textContent = text;
  $("live").classList.toggle("on", on);
}

$("pause").addEventListener("click", () => follow(events === null));
if ($("pause").hidden) showLive("not live", false);
else follow(true);
