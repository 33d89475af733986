import DOMPurify from "dompurify";
import Squire from "squire-rte";
export const parts = [DOMPurify, Squire];
