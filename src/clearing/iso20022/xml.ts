/** A piece of XML that is complete and escaped. Only the functions of this file make one. */
export type Xml = string & { readonly __xml: true }

/** What may stand within an element: pieces, or nothing where an optional one is absent. */
export type XmlPart = Xml | undefined | readonly (Xml | undefined)[]

const CHUNK_CHARACTERS = 65_536

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

function attributesOf(attributes: Readonly<Record<string, string>>): string {
  return Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${escaped(value)}"`)
    .join('')
}

/** An element that holds a text. */
export function leaf(name: string, text: string, attributes: Readonly<Record<string, string>> = {}): Xml {
  return `<${name}${attributesOf(attributes)}>${escaped(text)}</${name}>` as Xml
}

/** {@link leaf}, or nothing for an absent text. */
export function optionalLeaf(name: string, text: string | undefined): Xml | undefined {
  return text === undefined ? undefined : leaf(name, text)
}

/** An element that holds elements. */
export function node(name: string, ...parts: readonly XmlPart[]): Xml {
  return `<${name}>${parts.flat().join('')}</${name}>` as Xml
}

/** Beginning of an element whose content is written piece by piece; {@link closing} ends it. */
export const opening = (name: string): string => `<${name}>\n`
export const closing = (name: string): string => `</${name}>\n`

/** Beginning of a document of one message. @param schema as in `pain.001.001.09` */
export function documentStart(schema: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="urn:iso:std:iso:20022:tech:xsd:${schema}">\n`
}

export const DOCUMENT_END = '</Document>\n'

/** Joins small pieces of text to chunks of about 64 KiB, so that a file is written with few calls and little memory. */
export async function* inChunks(pieces: AsyncIterable<string> | Iterable<string>): AsyncGenerator<string> {
  let chunk = ''
  for await (const piece of pieces) {
    chunk += piece
    if (chunk.length < CHUNK_CHARACTERS) continue
    yield chunk
    chunk = ''
  }
  if (chunk !== '') yield chunk
}
