// Puts the page together: a conversation, the document beside it, the index above it, and the keys they share.

import { byId } from "./dom.js";
import { Conversation } from "./conversation.js";
import { IndexPanel } from "./index_panel.js";
import { SourcePane } from "./sources.js";

const pane = new SourcePane();
const openTarget = (target, opener) => pane.open(target, opener);

const index = new IndexPanel((document, opener) => openTarget({
  document_id: document.document_id,
  source: document.source,
  title: document.title,
  place: "",
  start: null,
  end: null,
  cited: "",
  changed: document.state === "changed",
}, opener));

const conversation = new Conversation({
  open: openTarget,
  titleOf: (documentId) => index.titleOf(documentId),
  // An answer from another generation than the one described above: the index was rebuilt elsewhere.
  answered: (answer) => answer.generation !== index.generation && index.refresh(),
});

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing) return;
  if (event.key === "Escape") {
    if (pane.isOpen) pane.close();
    else if (index.isOpen) index.close();
  }
  const writing = event.target.closest("input, textarea, select");
  if (event.key === "/" && !writing && !event.ctrlKey && !event.metaKey && !event.altKey && !byId("page").inert) {
    event.preventDefault();
    conversation.focus();
  }
});

index.refresh();
conversation.focus();
