import DOMPurify from "dompurify";

const ALLOWED_TAGS =
  "a b blockquote br button code del div em h1 h2 h3 h4 h5 h6 hr i img li ol p pre s span strong sub sup table tbody td th thead tr ul".split(
    " ",
  );
const ALLOWED_ATTR = ["align", "alt", "class", "data-copy", "dir", "href", "rel", "src", "start", "tabindex", "target", "title", "type"];

/** The second wall: whatever the Markdown renderer made, only these tags and attributes reach the page. */
export function sanitize(html: string): string {
  return DOMPurify.sanitize(html, {
    ALLOWED_TAGS,
    ALLOWED_ATTR,
    // Everything else is held against the address pattern below, and these are no addresses.
    ADD_URI_SAFE_ATTR: ALLOWED_ATTR.filter((name) => name !== "href" && name !== "src"),
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|data:image\/(?:png|jpeg|gif|webp|avif);base64,)/i,
  });
}
