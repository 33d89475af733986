// Saying something in a toast, from any bundle: toast.ts listens.

import { fire, t } from "./page";

/** Contract of the event "toast": see toast.ts. `action` only from scripts. */
export interface Toast { text: string; danger?: boolean; undo?: string; seconds?: number; now?: string; action?: { label: string; run: () => void } }

export const toast = (what: Toast): void => fire("toast", what);

/** Something did not work; `again` tries it once more. */
export function failed(again?: () => void, text = t("failed")): void {
  toast(again ? { text, danger: true, action: { label: t("retry"), run: again } } : { text, danger: true });
}
