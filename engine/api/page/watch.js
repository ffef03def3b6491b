// The page to watch. Everything that comes from outside is put in as text, never as HTML.

const PAGE = 50, MOST = 500, EVERY = 3000;
const main = document.getElementById("main");
const trouble = document.getElementById("trouble");
let timer = 0, shown = 0, position = {};

class Refused extends Error {
  constructor(status, words) { super(words); this.status = status; }
}

async function ask(path, options = {}) {
  const headers = { "X-Requested-With": "engine", ...(options.body ? { "Content-Type": "application/json" } : {}) };
  const answer = await fetch(`/rest/${path}`, { ...options, headers });
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Refused(answer.status, told.errorMessage || `the platform answers with status ${answer.status}`);
  }
  const text = await answer.text();
  return (answer.headers.get("content-type") || "").startsWith("application/json") ? JSON.parse(text) : text;
}

function make(tag, fields = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(fields)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list" && name !== "role") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...inside.filter((one) => one !== null && one !== undefined).map((one) => one instanceof Node ? one : String(one)));
  return made;
}

const state = (word) => make("span", { className: `state ${word}` }, word);
const when = (time) => time ? new Date(time).toLocaleString() : "";
const size = (bytes) => {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (bytes >= 1000 && at < units.length - 1) { bytes /= 1000; at += 1; }
  return `${at ? bytes.toFixed(1) : bytes} ${units[at]}`;
};
const seconds = (time) => time < 1 ? `${Math.round(time * 1000)} ms` : `${time.toFixed(1)} s`;
const values = (fields) => Object.entries(fields || {}).map(([name, value]) => `${name}=${Array.isArray(value) ? value.join(", ") : value}`).join(", ");

function table(columns, rows) {
  return make("table", {},
    make("thead", {}, make("tr", {}, ...columns.map((one) => make("th", { scope: "col" }, one)))),
    make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((cell, at) => {
      const made = make("td", {}, cell);
      made.setAttribute("data-label", columns[at]);
      return made;
    })))));
}

const STATES = ["succeeded", "failed", "skipped", "cancelled", "running", "queued"];

function bar(tally) {
  const total = Object.values(tally).reduce((sum, one) => sum + one, 0);
  const words = Object.entries(tally).map(([word, count]) => `${count} ${word}`).join(", ");
  const made = make("div", { className: "bar" });
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", words);
  for (const word of STATES) {
    if (!tally[word]) continue;
    const part = make("i", { className: word });
    part.style.width = `${100 * tally[word] / total}%`;
    made.append(part);
  }
  return make("div", {}, made, make("p", { className: "quiet" }, words));
}

function pages(first, more, turn) {
  return make("nav", { className: "row" },
    make("button", { type: "button", disabled: !first, onclick: () => turn(-1) }, "Newer"),
    make("button", { type: "button", disabled: !more, onclick: () => turn(1) }, "Older"));
}

async function listing() {
  const before = position.list ||= [""];
  const found = await ask(`engine/executions?limit=${PAGE + 1}&before=${before[before.length - 1]}`);
  const rows = found.slice(0, PAGE).map((one) => [make("a", { href: `#/${one.id}` }, one.title), state(one.state), one.name, when(one.created)]);
  const turn = (by) => { by > 0 ? before.push(found[PAGE - 1].id) : before.pop(); show(); };
  return [
    make("h1", {}, "Executions"),
    rows.length ? table(["name", "state", "tool", "started"], rows) : make("p", {}, "There is no execution yet."),
    before.length > 1 || found.length > PAGE ? pages(before.length > 1, found.length > PAGE, turn) : null,
  ];
}

async function execution(id) {
  const at = position[id] ||= { after: [0], state: "" };
  const after = at.after[at.after.length - 1];
  const below = `engine/executions/${id}`;
  const [one, wanted, jobs, results] = await Promise.all([
    ask(below), ask(`${below}/request`),
    ask(`${below}/jobs?limit=${PAGE}&after=${after}${at.state ? `&state=${at.state}` : ""}`),
    at.results ? ask(`${below}/results?limit=${MOST}`) : null]);
  const act = (words, verb, question) => make("button", { type: "button", onclick: async () => {
    if (question && !confirm(question)) return;
    await ask(`${below}/${verb}`, { method: "POST" });
    show();
  } }, words);
  const rows = jobs.items.map((job) => [
    make("a", { href: `#/${id}/${job.number}`, className: "number" }, job.number), state(job.state),
    values(job.parameters), job.attempts, [job.exit_code === null ? "" : `exit ${job.exit_code}`, job.message || job.failure].join(" ").trim()]);
  const choose = make("select", { onchange: (event) => { position[id] = { ...at, after: [0], state: event.target.value }; show(); } },
    ...["", ...STATES].map((word) => make("option", { value: word, selected: word === at.state }, word || "all")));
  return [
    make("h1", {}, one.title, " ", state(one.state)),
    make("p", { className: "quiet" }, `${wanted.pipeline || "own descriptor"}, started ${when(one.created)}${one.ended ? `, ended ${when(one.ended)}` : ""}, ${id}`),
    bar(one.tally),
    make("div", { className: "row" },
      ["queued", "running"].includes(one.state) ? act("Stop", "cancel", "Stop this execution?") : null,
      ["partial", "failed", "cancelled"].includes(one.state) ? act("Run again what failed", "retry") : null),
    make("h2", {}, "Jobs"),
    make("label", { className: "row" }, "Show", choose),
    table(["job", "state", "parameters", "tries", "end"], rows),
    jobs.next !== null || at.after.length > 1 ? make("nav", { className: "row" },
      make("button", { type: "button", disabled: at.after.length < 2, onclick: () => { at.after.pop(); show(); } }, "Previous jobs"),
      make("button", { type: "button", disabled: jobs.next === null, onclick: () => { at.after.push(jobs.next); show(); } }, "Next jobs")) : null,
    make("h2", {}, "Results"),
    results === null ? make("button", { type: "button", onclick: () => { at.results = true; show(); } }, "Show results") : resultsTable(results),
    make("h2", {}, "Inputs"),
    make("pre", {}, JSON.stringify(wanted.values, null, 2)),
  ];
}

function resultsTable(results) {
  if (!results.items.length) return make("p", {}, "There is no result yet.");
  const rows = results.items.map((one) => [
    one.url.startsWith("/vip/")
      ? make("a", { href: `/rest/path${one.url.split("/").map(encodeURIComponent).join("/")}?action=content`, download: one.url.split("/").pop() + (one.directory ? ".tar" : "") }, one.name)
      : one.url,
    make("span", { className: "number" }, size(one.size))]);
  return make("div", {}, table(["file", "size"], rows), results.next !== null ? make("p", { className: "quiet" }, `These are the first ${MOST}; a client fetches them all.`) : null);
}

async function job(id, number) {
  const below = `engine/executions/${id}/jobs/${number}`;
  const one = await ask(below);
  const log = (stream) => ask(`${below}/log?stream=${stream}&attempt=${Math.max(one.attempts, 1)}`);
  const [history, out, err] = await Promise.all([ask(`${below}/history`), log("out"), log("err")]);
  const longest = Math.max(...history.phases.map((phase) => phase.seconds), 0.001);
  const phases = make("div", { className: "phases" });
  for (const phase of history.phases) {
    phases.append(make("span", {}, phase.name), make("progress", { max: longest, value: phase.seconds, ariaLabel: phase.name }), make("span", { className: "number" }, seconds(phase.seconds)));
  }
  return [
    make("p", {}, make("a", { href: `#/${id}` }, "back to the execution")),
    make("h1", {}, `Job ${number} `, state(one.state)),
    make("p", { className: "quiet" }, values(one.parameters)),
    history.phases.length ? make("h2", {}, "Phases") : null, history.phases.length ? phases : null,
    make("h2", {}, "What happened"),
    table(["time", "what happened"], history.events.map((event) => [make("span", { className: "number" }, event.at), event.message])),
    make("h2", {}, "Output"), make("pre", { tabIndex: 0 }, out || "nothing"),
    make("h2", {}, "Errors"), make("pre", { tabIndex: 0 }, err || "nothing"),
  ];
}

function entrance() {
  const field = make("input", { type: "password", name: "key", required: true, autocomplete: "current-password", id: "key" });
  return [make("h1", {}, "Log in"), make("form", { onsubmit: async (event) => {
    event.preventDefault();
    try {
      await ask("session", { method: "POST", body: JSON.stringify({ apikey: field.value.trim() }) });
      show(true);
    } catch (error) { tell(error); }
  } }, make("label", { htmlFor: "key" }, "API key"), field, make("button", {}, "Log in"))];
}

function tell(error) {
  trouble.textContent = error ? error.message : "";
  trouble.hidden = !error;
}

async function health() {
  const told = await ask("health").catch(() => null);
  const backends = told ? told.backends.map((one) => `${one.name}: ${one.active} at the back-end, ${one.ready} waiting`).join("; ") : "";
  document.getElementById("health").textContent = told ? [backends, told.trouble].filter(Boolean).join(" - ") : "";
}

async function show(moved = false) {
  const turn = ++shown;
  clearTimeout(timer);
  const [, id, number] = location.hash.split("/");
  try {
    const parts = await (number ? job(id, number) : id ? execution(id) : listing());
    if (turn !== shown) return;
    put(parts, moved);
    tell(null);
    document.getElementById("leave").hidden = false;
    health();
  } catch (error) {
    if (turn !== shown) return;
    if (error.status === 401) { document.getElementById("leave").hidden = true; put(entrance(), moved); tell(null); return; }
    tell(error);
  }
  timer = setTimeout(again, EVERY);
}

// Not while nobody looks, nor while something is being chosen.
function again() {
  if (document.hidden || document.activeElement instanceof HTMLSelectElement) timer = setTimeout(again, EVERY);
  else show();
}

// What is in focus, and how far logs are scrolled, stays as it is when the page is drawn anew.
function put(parts, moved) {
  const focused = main.contains(document.activeElement) ? [...main.querySelectorAll("a, button, select, input, pre")].indexOf(document.activeElement) : -1;
  const scrolled = [...main.querySelectorAll("pre")].map((one) => one.scrollTop);
  main.replaceChildren(...parts.filter(Boolean));
  [...main.querySelectorAll("pre")].forEach((one, at) => { one.scrollTop = scrolled[at] || 0; });
  if (moved) { main.focus(); window.scrollTo(0, 0); }
  else if (focused >= 0) main.querySelectorAll("a, button, select, input, pre")[focused]?.focus({ preventScroll: true });
  document.title = main.querySelector("h1")?.textContent || "Executions";
}

document.getElementById("leave").addEventListener("click", async () => {
  await ask("session", { method: "DELETE" }).catch(() => null);
  position = {};
  show(true);
});
window.addEventListener("hashchange", () => show(true));
document.addEventListener("visibilitychange", () => { if (!document.hidden) show(); });
show();
