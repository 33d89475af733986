export function t(k:string){return k}
t("undo");t("retry");t("failed");
