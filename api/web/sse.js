// Server-sent events read from a fetch body. EventSource cannot POST a question, so the stream is parsed here, by the
// rules of the HTML standard, section 9.2.6: lines end in LF, CR or CRLF, and a blank line dispatches the event.

/** Yields {event, data} for each event of a ReadableStream of bytes; `data` is still a string. */
export async function* events(stream) {
  let event = "message";
  let data = [];
  for await (const line of lines(stream)) {
    if (line === "") {
      if (data.length > 0) yield { event, data: data.join("\n") };
      event = "message";
      data = [];
      continue;
    }
    const colon = line.indexOf(":");
    if (colon === 0) continue; // a comment, sent to keep the connection open
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") event = value;
    if (field === "data") data.push(value);
  }
  // What is left without its blank line was cut off on the way; the standard says to drop it.
}

async function* lines(stream) {
  const reader = stream.getReader();
  const decoder = new TextDecoder(); // holds back a character split between two chunks
  let pending = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      pending += decoder.decode(value, { stream: true });
      let start = 0;
      for (let at = 0; at < pending.length; at += 1) {
        const character = pending[at];
        if (character !== "\n" && character !== "\r") continue;
        // A CR that ends the chunk may be half of a CRLF: leave it until the next chunk tells.
        if (character === "\r" && at + 1 === pending.length) break;
        yield pending.slice(start, at);
        if (character === "\r" && pending[at + 1] === "\n") at += 1;
        start = at + 1;
      }
      pending = pending.slice(start);
    }
  } finally {
    await reader.cancel().catch(() => {}); // already closed or aborted: nothing is left to free
  }
}
