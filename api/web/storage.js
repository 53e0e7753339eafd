// What the browser keeps. A browser may refuse (private windows, a full disk); the page then remembers for as long as
// it is open.

class Kept {
  #open; // the browser's own store, which may throw when it is as much as looked at
  #instead = new Map();

  constructor(open) {
    this.#open = open;
  }

  get(key) {
    return this.#instead.get(key) ?? this.#try((store) => store.getItem(key)) ?? null;
  }

  /** Whether the browser keeps it. */
  set(key, value) {
    this.#instead.delete(key);
    const kept = this.#try((store) => {
      store.setItem(key, value);
      return true;
    }) === true;
    if (!kept) this.#instead.set(key, value);
    return kept;
  }

  remove(key) {
    this.#instead.delete(key);
    this.#try((store) => store.removeItem(key));
  }

  #try(act) {
    try {
      return act(this.#open());
    } catch (error) {
      if (error instanceof DOMException) return undefined; // SecurityError, QuotaExceededError
      throw error;
    }
  }
}

/** For all tabs, until it is deleted. */
export const inBrowser = new Kept(() => localStorage);

/** For this tab, until it is closed; a reload keeps it. */
export const inTab = new Kept(() => sessionStorage);
