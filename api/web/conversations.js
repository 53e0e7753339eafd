// The conversations that this browser keeps: values to and from text, and a store of them that stays within bounds.
//
// A conversation is {version, id, title, created, updated, turns}; a turn {question, asked, answer, rating} with the
// whole answer, or, where none came, {question, asked, answer: null, sentences, citations, ended, problem}. Times are
// milliseconds since 1970. What is read back is checked: another version may have written it, or anyone.

const VERSION = 1;
const LIST_KEY = "footnote.conversations";
const ONE_KEY = "footnote.conversation.";
const TITLE_POINTS = 80;

/** Bounds: browsers keep about 5,000,000 characters a site. */
export const MAX_CONVERSATIONS = 100;
export const MAX_CHARS = 4_000_000;
export const MAX_TURNS = 200; // of one conversation; the oldest are dropped

export function freshConversation(now = Date.now()) {
  const bytes = crypto.getRandomValues(new Uint8Array(8)); // randomUUID() is not there over plain HTTP
  const id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { version: VERSION, id, title: "", created: now, updated: now, turns: [] };
}

/** What a conversation is called until it is renamed: its first question, on one line. */
export function titleFrom(question) {
  const points = Array.from(question.trim().replace(/\s+/g, " "));
  return points.length <= TITLE_POINTS ? points.join("") : `${points.slice(0, TITLE_POINTS - 2).join("")} …`;
}

/** The conversation that `text` holds, without the turns that are not whole; null when it holds none. */
export function readConversation(text) {
  const value = parsed(text);
  if (!isObject(value) || value.version !== VERSION || !Array.isArray(value.turns)) return null;
  if (!hold(value, "string", ["id", "title"]) || !hold(value, "number", ["created", "updated"])) return null;
  const { version, id, title, created, updated } = value;
  return { version, id, title, created, updated, turns: value.turns.filter(isTurn) };
}

export class Conversations {
  #store;
  #now;

  /** `store` has get(key), set(key, value), which says whether that is kept, and remove(key). */
  constructor(store, now = Date.now) {
    this.#store = store;
    this.#now = now;
  }

  /** [{id, title, updated, questions, chars}], the newest first. */
  list() {
    const value = parsed(this.#store.get(LIST_KEY));
    if (!Array.isArray(value)) return [];
    return value.filter((one) => isObject(one) && hold(one, "string", ["id", "title"])
      && hold(one, "number", ["updated", "questions", "chars"]));
  }

  get(id) {
    return readConversation(this.#store.get(ONE_KEY + id));
  }

  /** Keeps it, dropping the oldest others where there is no room; whether the browser keeps it. */
  save(conversation) {
    conversation.updated = this.#now();
    conversation.turns = conversation.turns.slice(-MAX_TURNS);
    return this.#put(conversation, true);
  }

  rename(id, title) {
    const conversation = this.get(id);
    if (conversation === null) return;
    conversation.title = titleFrom(title);
    this.#put(conversation, false);
  }

  remove(id) {
    this.#store.remove(ONE_KEY + id);
    this.#setList(this.list().filter((one) => one.id !== id));
  }

  clear() {
    for (const { id } of this.list()) this.#store.remove(ONE_KEY + id);
    this.#setList([]);
  }

  #put(conversation, toTheTop) {
    const text = JSON.stringify(conversation);
    const { id, title, updated, turns } = conversation;
    const entry = { id, title, updated, questions: turns.length, chars: text.length };
    const before = this.list();
    const others = before.filter((one) => one.id !== id);
    while (others.length >= MAX_CONVERSATIONS || sum(others) + text.length > MAX_CHARS) {
      if (others.length === 0) break;
      this.#store.remove(ONE_KEY + others.pop().id);
    }
    let kept = this.#store.set(ONE_KEY + id, text);
    while (!kept && others.length > 0) { // the browser has less room than was thought
      this.#store.remove(ONE_KEY + others.pop().id);
      kept = this.#store.set(ONE_KEY + id, text);
    }
    const at = toTheTop ? 0 : Math.max(0, before.findIndex((one) => one.id === id));
    this.#setList(others.toSpliced(at, 0, entry));
    return kept;
  }

  #setList(list) {
    this.#store.set(LIST_KEY, JSON.stringify(list));
  }
}

function sum(list) {
  return list.reduce((total, one) => total + one.chars, 0);
}

function parsed(text) {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null; // not ours, or cut off
  }
}

function isTurn(turn) {
  if (!isObject(turn) || typeof turn.question !== "string" || typeof turn.asked !== "number") return false;
  if (turn.answer === null) return areSentences(turn.sentences) && areCitations(turn.citations);
  const { answer } = turn;
  return isObject(answer) && hold(answer, "string", ["answer_id", "generation", "text", "mode"])
    && areSentences(answer.sentences) && areCitations(answer.citations)
    && areAll(answer.passages, (passage) => isSpan(passage) && typeof passage.text === "string");
}

const areSentences = (list) => areAll(list, (one) => typeof one.text === "string"
  && Array.isArray(one.citations) && one.citations.every(Number.isInteger));
const areCitations = (list) => areAll(list, (one) => Number.isInteger(one.n) && isSpan(one)
  && hold(one, "string", ["title", "cited_text"]));
const isSpan = (one) => hold(one, "string", ["document_id", "source"])
  && hold(one, "number", ["start_char", "end_char"]);
const areAll = (list, holds) => Array.isArray(list) && list.every((one) => isObject(one) && holds(one));
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const hold = (value, type, names) => names.every((name) => typeof value[name] === type);
