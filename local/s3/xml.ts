/** As much XML as S3's requests and answers hold: elements and text. */
import { malformedXml } from "./faults.ts";

export interface Element {
  readonly name: string;
  readonly children: readonly Element[];
  /** The element's own text, entities resolved. */
  readonly text: string;
}

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "\r": "&#13;",
};

/** Text as content of an element. */
export const escaped = (text: string): string =>
  text.replaceAll(/[&<>"\r]/g, (character) => escapes[character] ?? character);

/** One element; of an undefined value nothing. */
export const tag = (name: string, value: string | number | boolean | undefined): string =>
  value === undefined ? "" : `<${name}>${escaped(String(value))}</${name}>`;

export const document = (name: string, content: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<${name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${content}</${name}>`;

const token =
  /<\?[^?]*\?>|<(\/?)([A-Za-z][\w.:-]*)((?:\s+[\w.:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/gy;
const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

const unescaped = (text: string): string =>
  text.replaceAll(/&(#x[0-9a-f]+|#\d+|\w+);/gi, (whole, name: string) => {
    if (name.startsWith("#x")) return String.fromCodePoint(Number.parseInt(name.slice(2), 16));
    if (name.startsWith("#")) return String.fromCodePoint(Number(name.slice(1)));
    return entities[name] ?? whole;
  });

interface Open {
  readonly name: string;
  readonly children: Element[];
  text: string;
}

/** The root element. Throws AwsFault MalformedXML, also where it has another name than the one wanted. */
export const parseXml = (text: string, rootName: string): Element => {
  const root: Open = { name: "", children: [], text: "" };
  const path = [root];
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const match = token.exec(text);
    const current = path.at(-1);
    if (match === null || current === undefined) throw malformedXml();
    const [, closing, name, , single, content] = match;
    if (content !== undefined) current.text += unescaped(content);
    else if (name === undefined) continue; // the declaration
    else if (closing === "/") {
      if (current.name !== name || path.length === 1) throw malformedXml();
      path.pop();
    } else {
      const element: Open = { name, children: [], text: "" };
      current.children.push(element);
      if (single !== "/") path.push(element);
    }
  }
  const [found, second] = root.children;
  if (path.length !== 1 || found === undefined || second !== undefined || found.name !== rootName)
    throw malformedXml();
  return found;
};

export const childrenOf = (element: Element, name: string): readonly Element[] =>
  element.children.filter((child) => child.name === name);

export const textIn = (element: Element, name: string): string | undefined =>
  element.children.find((child) => child.name === name)?.text;
