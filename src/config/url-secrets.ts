/** Scheme, the part before the path, the path, the query and the fragment of an address inside a text. */
const URL_PATTERN =
  /([a-z][a-z0-9+.-]{0,31}:\/\/)([^\s"'<>/?#]{0,1024})(\/[^\s"'<>?#]{0,2048})?(\?[^\s"'<>#]{0,4096})?(#[^\s"'<>]{0,1024})?/gi;
/** Keys of URLs that are credentials themselves, such as webhook URLs. */
const SECRET_URL_KEY = /(?:outbound|web-?hook|hook|callback|incoming|notify|notification|push)s?[_-]?(?:url|uri|endpoint|address)?s?$/i;
const VARIABLES = /^(?:\$\{[A-Z_][A-Z0-9_]*\})+$/;
const NOT_A_PORT = /^[^@[\]]*:(?!\d{0,5}$|\$\{)[^@]*$/;
/** A shorter part of a path is taken for a name. */
const TOKEN_CHARS = 20;

/**
 * Hides what may be a credential in every address of a text: the user and password, values of the query, the fragment, parts of the
 * path that look random, and the whole path where the key says that the address itself is secret. `hidden`: what was hidden.
 */
export function redactUrls(text: string, key: string, placeholder: string): { text: string; hidden: string[] } {
  const hidden: string[] = [];
  const hide = (value: string): string => {
    if (value === "" || value === placeholder || VARIABLES.test(value)) return value;
    hidden.push(value);
    return placeholder;
  };
  const secretPath = SECRET_URL_KEY.test(key);
  const out = text.replaceAll(URL_PATTERN, (_, scheme: string, authority: string, path = "", query = "", fragment = "") =>
    // A password with a slash or question mark in it ends the authority too early: nothing of such an address is shown.
    NOT_A_PORT.test(authority)
      ? scheme + hide(authority + path + query + fragment)
      : scheme +
        redactUserInfo(authority, hide) +
        redactPath(path, secretPath, hide) +
        redactQuery(query, hide) +
        fragment.slice(0, 1) +
        hide(fragment.slice(1)),
  );
  return { text: out, hidden };
}

type RedactFunction = (value: string) => string;

function redactUserInfo(authority: string, hide: RedactFunction): string {
  const at = authority.lastIndexOf("@");
  return at < 0 ? authority : `${hide(authority.slice(0, at))}${authority.slice(at)}`;
}

function redactPath(path: string, secret: boolean, hide: RedactFunction): string {
  if (secret && path.length > 1) return `/${hide(path.slice(1))}`;
  return path
    .split("/")
    .map((part) => (isLikelySecret(part) ? hide(part) : part))
    .join("/");
}

function redactQuery(query: string, hide: RedactFunction): string {
  if (query === "") return "";
  const pairs = query.slice(1).split("&");
  const shown = pairs.map((pair) => {
    const equals = pair.indexOf("=");
    return equals < 0 ? hide(pair) : `${pair.slice(0, equals + 1)}${hide(pair.slice(equals + 1))}`;
  });
  return `?${shown.join("&")}`;
}

/** Names change rarely between letters, capitals and digits; keys do it about every second character. */
function isLikelySecret(part: string): boolean {
  if (part.length < TOKEN_CHARS) return false;
  const kinds = Array.from(part.replaceAll(/[^A-Za-z0-9]/g, ""), (char) => (/[a-z]/.test(char) ? 0 : /[A-Z]/.test(char) ? 1 : 2));
  const changes = kinds.filter((kind, index) => index > 0 && kind !== kinds[index - 1]).length;
  return changes >= kinds.length * 0.25;
}
