// The service's HTTP interface, and the two ways a request can fail: the service says no, or cannot be reached.

import { currentKey, keyInsteadOf } from "./credentials.js";
import { events } from "./sse.js";

/** The service answered with an error: an RFC 9457 problem object. */
export class Problem extends Error {
  constructor(problem) {
    super(problem.title || "The request failed");
    this.title = this.message;
    this.detail = problem.detail || "";
    this.status = problem.status;
    this.retryAfter = problem.retryAfter ?? null; // seconds
  }
}

/** No answer came: the service is stopped, restarting, or the connection broke. */
export class Unreachable extends Error {
  constructor() {
    super("Footnote cannot be reached");
    this.title = this.message;
    this.detail = "The service does not answer. It may be stopped or restarting.";
  }
}

/** The answer stopped before its end. */
export class CutOff extends Error {
  constructor() {
    super("The answer was cut off");
    this.title = this.message;
    this.detail = "The connection closed before the answer was complete.";
  }
}

/** Whether the same request may do better next time: not when the service has understood it and refuses it. */
export function mayPass(error) {
  return !(error instanceof Problem) || error.status >= 500 || [401, 408, 429].includes(error.status);
}

export function wasAborted(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

export const getIndex = () => json("/v1/index");
export const getDocuments = () => json("/v1/documents");
export const getSettings = () => json("/v1/settings");
export const getSuggestions = (signal) => json("/v1/suggestions", { signal });
export const startRebuild = ({ confirmDeletions = false } = {}) =>
  json("/v1/index/rebuild", confirmDeletions ? posted({ confirm_deletions: true }) : { method: "POST" });
export const getJob = (id) => json(`/v1/index/jobs/${encodeURIComponent(id)}`);
export const sendFeedback = (answerId, verdict, comment = "") =>
  json("/v1/feedback", posted({ answer_id: answerId, verdict, comment }));
export const textAddress = (documentId) => `/v1/documents/${encodeURIComponent(documentId)}/text`;

/** The canonical text of a document, every code point of it: Response.text() would drop a leading U+FEFF. */
export async function getText(documentId, signal) {
  const response = await request(textAddress(documentId), { signal });
  const bytes = await reading(response.arrayBuffer());
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** Yields {event, data} as the answer is written; `data` is parsed. Throws Problem, Unreachable, CutOff or AbortError. */
export async function* ask(question, messages, signal) {
  const response = await request("/v1/ask", {
    ...posted({ question, messages, stream: true }, { Accept: "text/event-stream" }),
    signal,
  });
  try {
    for await (const { event, data } of events(response.body)) {
      const value = JSON.parse(data);
      if (event === "error") throw new Problem(value);
      yield { event, data: value };
      if (event === "done") return;
    }
  } catch (error) {
    if (error instanceof Problem || wasAborted(error)) throw error;
    throw new CutOff(); // a broken connection, or an event that is not JSON because it broke off
  }
  throw new CutOff();
}

function posted(body, headers = {}) {
  return { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) };
}

async function json(path, options) {
  const response = await request(path, options);
  if (response.status === 204) return null;
  return reading(response.json());
}

async function request(path, options = {}) {
  let key = currentKey();
  let response = await send(path, options, key);
  while (response.status === 401) {
    key = await keyInsteadOf(key);
    if (key === "") break;
    response = await send(path, options, key);
  }
  if (!response.ok) throw new Problem(await problemIn(response));
  return response;
}

function send(path, options, key) {
  const headers = key === "" ? options.headers : { ...options.headers, Authorization: `Bearer ${key}` };
  return reading(fetch(path, { ...options, headers }));
}

async function reading(promise) {
  try {
    return await promise;
  } catch (error) {
    if (wasAborted(error)) throw error;
    throw new Unreachable();
  }
}

async function problemIn(response) {
  const retryAfter = Number.parseInt(response.headers.get("Retry-After"), 10) || null; // a date is not told
  try {
    return { ...(await response.json()), status: response.status, retryAfter };
  } catch {
    // Not the service's own words, so a proxy in front of it, most likely.
    return { title: `The request failed with status ${response.status}`, status: response.status, retryAfter };
  }
}
