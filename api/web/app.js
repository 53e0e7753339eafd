// Puts the page together: a conversation, the document beside it, the drawers over it, and the keys they share.

import { Conversation } from "./conversation.js";
import { Conversations } from "./conversations.js";
import { byId } from "./dom.js";
import { HistoryPanel } from "./history_panel.js";
import { IndexPanel } from "./index_panel.js";
import { installKeyDialog } from "./key_dialog.js";
import { SettingsPanel } from "./settings_panel.js";
import { SourcePane } from "./sources.js";
import { inBrowser } from "./storage.js";
import { showSuggestions } from "./suggestions.js";

installKeyDialog();
const kept = new Conversations(inBrowser);
const pane = new SourcePane();
const openTarget = (target, opener) => pane.open(target, opener);

const index = new IndexPanel({
  open: (document, opener) => openTarget({
    document_id: document.document_id,
    source: document.source,
    title: document.title,
    place: "",
    start: null,
    end: null,
    cited: "",
    changed: document.state === "changed",
  }, opener),
  published: () => showSuggestions((question) => conversation.ask(question)),
});

const conversation = new Conversation({
  kept,
  open: openTarget,
  titleOf: (documentId) => index.titleOf(documentId),
  // An answer from another generation than the one described above: the index was rebuilt elsewhere.
  answered: (answer) => answer.generation !== index.generation && index.refresh(),
});

new HistoryPanel(kept, conversation);
new SettingsPanel(kept, (ids) => ids.forEach((id) => conversation.deleted(id)));

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") pane.close();
  const writing = event.target.closest("input, textarea, select");
  if (event.key === "/" && !writing && !event.ctrlKey && !event.metaKey && !event.altKey && !byId("page").inert) {
    event.preventDefault();
    conversation.focus();
  }
});

index.refresh();
conversation.restore();
conversation.focus();
