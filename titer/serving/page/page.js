"use strict";
// Text of a model or of the server goes into the page as text, never as HTML.

const RATINGS = [["Helpful", 1], ["Partly", 0.5], ["Not helpful", 0]];
const byId = (name) => document.getElementById(name);

let key = null; // in memory only
let panes = [];
let stopper = null;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function say(text) {
  byId("status").textContent = text;
}

async function call(path, options = {}) {
  const headers = { Authorization: `Bearer ${key}` };
  if (options.body) headers["Content-Type"] = "application/json";
  const reply = await fetch(path, { ...options, headers, credentials: "omit", cache: "no-store" });
  if (!reply.ok) throw new Error(await reason(reply));
  return reply;
}

async function reason(reply) {
  const body = await reply.json().catch(() => null);
  return body?.error?.message ?? `the server answered ${reply.status}`;
}

function inWords(error) {
  if (error.name === "AbortError") return "stopped";
  return error instanceof TypeError ? "the server cannot be reached" : error.message;
}

// ---- the key ---------------------------------------------------------------------------------

byId("entry").addEventListener("submit", async (event) => {
  event.preventDefault();
  key = byId("key").value.trim();
  try {
    const models = (await (await call("/v1/models")).json()).data.map((one) => one.id);
    byId("key").value = "";
    show(models);
    byId("report").hidden = (await (await call("/report", { method: "POST" })).json()).path === null;
  } catch (error) {
    key = null;
    say(`Not opened: ${inWords(error)}.`);
    byId("key").focus();
  }
});

byId("close").addEventListener("click", () => location.reload());

byId("report").addEventListener("click", async () => {
  try {
    const found = await (await call("/report", { method: "POST" })).json();
    if (found.path) window.open(found.path, "_blank", "noopener");
    else say("There is no report for this key.");
  } catch (error) {
    say(`No report: ${inWords(error)}.`);
  }
});

function show(models) {
  byId("entry").hidden = true;
  byId("work").hidden = byId("tools").hidden = false;
  const left = Math.max(models.indexOf("base"), 0);
  panes = [makePane("Left", models, left), makePane("Right", models, Math.min(1, models.length - 1))];
  byId("panes").replaceChildren(...panes.map((pane) => pane.section));
  say("");
  byId("question").focus();
}

// ---- the two conversations -------------------------------------------------------------------

function makePane(side, models, chosen) {
  const section = byId("pane").content.firstElementChild.cloneNode(true);
  const pane = {
    section,
    select: section.querySelector("select"),
    talk: section.querySelector(".talk"),
    messages: [],
    conversation: null,
  };
  section.setAttribute("aria-label", `${side} version`);
  pane.talk.setAttribute("aria-label", `Conversation with the ${side.toLowerCase()} version`);
  pane.select.setAttribute("aria-label", `${side} version`);
  pane.select.append(...models.map((name) => new Option(name, name)));
  pane.select.selectedIndex = chosen;
  pane.select.addEventListener("change", () => restart(pane));
  return pane;
}

function restart(pane) {
  pane.messages = [];
  pane.conversation = null;
  pane.talk.replaceChildren();
}

function restartAll(text) {
  stopper?.abort();
  panes.forEach(restart);
  say(text);
}

byId("again").addEventListener("click", () => {
  restartAll("A new conversation.");
  byId("question").focus();
});
byId("consent").addEventListener("change", (event) => {
  const kept = event.target.checked;
  restartAll(kept ? "A new conversation, which is kept." : "A new conversation, which is not kept.");
});
byId("stop").addEventListener("click", () => stopper?.abort());
byId("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("ask").requestSubmit();
});

byId("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = byId("question").value.trim();
  if (!text || stopper) return;
  stopper = new AbortController();
  busy(true);
  say("Both are answering.");
  byId("question").value = "";
  const done = await Promise.all(panes.map((pane) => ask(pane, text, stopper.signal)));
  const n = done.filter(Boolean).length;
  if (!stopper.signal.aborted) say(n === 2 ? "Both have answered." : `${n} of 2 answered.`);
  if (n === 0 && !byId("question").value) byId("question").value = text;
  stopper = null;
  busy(false);
});

function busy(on) {
  byId("send").disabled = on;
  byId("stop").hidden = !on;
  for (const pane of panes) {
    pane.select.disabled = on;
    pane.talk.setAttribute("aria-busy", String(on));
  }
}

async function ask(pane, text, signal) {
  const turn = element("div", "turn mine");
  turn.append(element("p", "said", text));
  const reply = element("div", "turn");
  const said = element("p", "said");
  reply.append(said);
  pane.talk.append(turn, reply);
  const messages = [...pane.messages, { role: "user", content: text }];
  try {
    const answer = await stream(pane, messages, signal, (part) => {
      said.textContent += part;
      pane.talk.scrollTop = pane.talk.scrollHeight;
    });
    pane.messages = [...messages, { role: "assistant", content: said.textContent }];
    if (!said.textContent) said.textContent = "(no answer)";
    finish(pane, reply, answer);
    return true;
  } catch (error) {
    // half an answer is none: it stays to be read and is no part of what follows
    reply.append(element("p", "failed", `No whole answer: ${inWords(error)}.`));
    return false;
  } finally {
    pane.talk.scrollTop = pane.talk.scrollHeight;
  }
}

async function stream(pane, messages, signal, add) {
  const began = performance.now();
  const body = { model: pane.select.value, messages, stream: true };
  if (byId("consent").checked) {
    body.consent = true;
    if (pane.conversation) body.conversation_id = pane.conversation;
    const domain = domainOf(panes.map((one) => one.select.value));
    if (domain) body.domain = domain;
  }
  const options = { method: "POST", body: JSON.stringify(body), signal };
  const reply = await call("/v1/chat/completions", options);
  const answer = { first: null, whole: null, chunk: null };
  let ended = false;
  for await (const data of events(reply.body)) {
    if (data === "[DONE]") {
      ended = true;
      continue;
    }
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Error(chunk.error.message);
    const part = chunk.choices[0]?.delta.content;
    if (part) {
      answer.first ??= (performance.now() - began) / 1000;
      add(part);
    }
    answer.chunk = chunk;
  }
  if (!ended) throw new Error("the connection ended");
  answer.whole = (performance.now() - began) / 1000;
  return answer;
}

// "autoimmune-qlora@v1.0.0" and "autoimmune" are both about autoimmune; the base is about neither
function domainOf(names) {
  const found = names.find((name) => name !== "base");
  return found?.replace(/-(qlora|full)@.*$/, "");
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (held + value).split("\n\n");
    held = parts.pop();
    for (const part of parts) {
      if (part.startsWith("data: ")) yield part.slice(6);
    }
  }
}

function finish(pane, reply, answer) {
  const by = answer.chunk.served_by;
  const seconds = (value) => (value === null ? "none" : `${value.toFixed(2)} s`);
  const name = by.adapter ? `${by.adapter}@${by.version}` : "base model";
  const facts = `${name}, ${by.engine}. First words ${seconds(answer.first)}, whole ${seconds(answer.whole)}.`;
  reply.append(element("p", "facts", facts));
  if (by.fallback) {
    reply.append(element("p", "flag", `The base model answered in place of ${pane.select.value}.`));
  }
  if (answer.chunk.choices[0]?.finish_reason === "length") {
    reply.append(element("p", "flag", "The answer was cut at the limit of its length."));
  }
  if (!byId("consent").checked) return;
  pane.conversation = answer.chunk.conversation_id ?? null;
  if (pane.conversation) reply.append(rating(pane.conversation, answer.chunk.turn));
  else reply.append(element("p", "flag", "This answer was not kept and cannot be rated."));
}

// ---- ratings ---------------------------------------------------------------------------------

function rating(conversation, turn) {
  const box = element("fieldset", "rating");
  box.append(element("legend", "", "This answer was"));
  for (const [word, satisfaction] of RATINGS) {
    const button = element("button", "", word);
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => rate(box, button, { conversation_id: conversation, turn, satisfaction }));
    box.append(button);
  }
  return box;
}

async function rate(box, button, body) {
  try {
    await call("/feedback", { method: "POST", body: JSON.stringify(body) });
    for (const other of box.querySelectorAll("button")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    say(`Rated: ${button.textContent.toLowerCase()}.`);
  } catch (error) {
    say(`Not rated: ${inWords(error)}.`);
  }
}
