import "htmx.org";
import "htmx.org/dist/ext/hx-preload.js";
import { tinykeys } from "tinykeys";
export const keys = tinykeys;
