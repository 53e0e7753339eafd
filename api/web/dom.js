// Building and finding elements. The only way text reaches the page is as a text node, so a document can say
// anything it likes and stay text: nothing in this folder parses markup.

/** The element with this id; a page without it is a bug in index.html, so say which. */
export function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`index.html has no #${id}`);
  return node;
}

/** A new element. Children that are strings become text nodes; null and false are left out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== false));
  return node;
}

export function button(label, className, onClick) {
  const node = el("button", { type: "button", class: className }, label);
  node.addEventListener("click", () => onClick(node));
  return node;
}

/** A name taken from a document or a file, its direction kept from spilling into the words around it. */
export function name(text) {
  return el("bdi", {}, text);
}

/** Items with a middle dot between them: a line of small facts. */
export function dotted(items) {
  const kept = items.filter(Boolean);
  return kept.flatMap((item, position) => (position === 0 ? [item] : [" · ", item]));
}

/** Offers `text` as a file to save. */
export function download(fileName, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/markdown;charset=utf-8" }));
  el("a", { href: address, download: fileName }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000); // the browser reads it after the click
}

/** Puts `text` on the clipboard; whether that went well. */
export async function copyText(text) {
  try {
    if (!navigator.clipboard) return copySelected(text); // pages over plain HTTP have no clipboard
    await navigator.clipboard.writeText(text);
    return true;
  } catch (error) {
    if (error instanceof DOMException) return false; // not allowed
    throw error;
  }
}

function copySelected(text) {
  const focused = document.activeElement;
  const box = el("textarea", { class: "unseen", "aria-hidden": "true" });
  box.value = text;
  document.body.append(box);
  box.select();
  const copied = document.execCommand("copy");
  box.remove();
  focused?.focus();
  return copied;
}
