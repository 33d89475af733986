// Unsent text kept in this browser (IndexedDB) until the server has confirmed it.

export interface Local { draft: string; fields: Record<string, string>; at: number }

let opened: Promise<IDBDatabase> | null = null;

function base(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open("postamt", 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("drafts", { keyPath: "draft" });
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(new Error("no local store"));
  });
  return opened;
}

async function run<T>(mode: IDBTransactionMode, use: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
  try {
    const store = (await base()).transaction("drafts", mode).objectStore("drafts");
    const asked = use(store);
    return await new Promise((resolve) => { asked.onsuccess = () => resolve(asked.result); asked.onerror = () => resolve(undefined); });
  } catch {
    return undefined; // A private window without a store: the server's copy is the only one.
  }
}

/** Set while something may lie here, so that a page need not open the store to find nothing. */
export const FLAG = "postamt-drafts";

export function keep(local: Local): Promise<unknown> {
  try { localStorage.setItem(FLAG, "1"); } catch { /* no store, no flag */ }
  return run("readwrite", (s) => s.put(local));
}
export const drop = (draft: string) => run("readwrite", (s) => s.delete(draft));
export const find = (draft: string): Promise<Local | undefined> => run("readonly", (s) => s.get(draft) as IDBRequest<Local | undefined>);
export const left = async (): Promise<Local[]> => (await run("readonly", (s) => s.getAll() as IDBRequest<Local[]>)) ?? [];
