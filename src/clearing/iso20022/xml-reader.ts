import { TextDecoder } from 'node:util'
import { SaxesParser, type SaxesTagNS } from 'saxes'
import { type FilePlace, RefusedFile } from './refusal.ts'

/** An element of a record, without its namespace. */
export interface XmlNode {
  readonly name: string
  /** Without white space around it; '' of an element that holds elements. */
  text: string
  /** Attribute `Ccy`. */
  readonly currency: string | undefined
  readonly children: XmlNode[]
  readonly line: number
  readonly column: number
}

interface Size {
  nodes: number
  characters: number
}

/** What an element is: entered, its children being looked at one by one; or taken whole. */
export type ElementUse = 'enter' | 'record'

/** Where the reader stands. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** Takes what is read, in the order of the file. `path` names the elements from the outermost to the one at hand. */
export interface XmlTaker {
  /** Of an element that stands in no record. */
  use(path: readonly string[], namespace: string, position: Position): ElementUse
  /** Whether an element of a record is taken out of it, so that the record does not grow with their number. */
  isPart(path: readonly string[]): boolean
  opened(path: readonly string[], position: Position): void
  record(path: readonly string[], node: XmlNode): void
  part(path: readonly string[], node: XmlNode): void
  closed(path: readonly string[], position: Position): void
  /** Text where only elements may stand. */
  stray(place: FilePlace, text: string): void
}

/** Sizes beyond which a file is refused, so that no file takes the memory of the program. */
export interface XmlLimits {
  readonly bytesMax: number
  readonly depthMax: number
  /** Characters of one text or attribute. */
  readonly textMax: number
  /** Elements of one record, parts that are taken out of it not counted. */
  readonly nodesMax: number
  /** Characters of one record in texts and attributes, parts that are taken out of it not counted. */
  readonly recordMax: number
}

export const defaultLimits: XmlLimits = {
  bytesMax: 4 * 1024 ** 3,
  depthMax: 40,
  textMax: 10_000,
  nodesMax: 5_000,
  recordMax: 200_000,
}

/** Elements in which those of other namespaces may stand. */
const EXTENSIBLE = new Set(['SplmtryData', 'AppHdr'])
/** Something else than XML's white space: a no-break space is a text. */
const TEXT = /[^ \t\r\n]/
/** Characters that may pass without an element beginning or ending: a text, comment or attribute without end. */
const SILENT_MAX = 1024 * 1024
const ATTRIBUTES_MAX = 20
const NAME_MAX = 128
/** Of a place in messages; names are long in a file that means harm. */
const PLACE_MAX = 300
const REASON_MAX = 200
const DECLARED = /^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']/
const ENCODINGS = new Set(['utf-8', 'us-ascii', 'iso-8859-1', 'iso-8859-15', 'windows-1252', 'windows-1256'])

/**
 * Reads XML as a stream of records. Document types are refused, and with them entities of a file's own; so are
 * processing instructions, and what is larger than the limits. Memory is that of a chunk and a record.
 */
export class XmlReader {
  readonly #file: string
  readonly #limits: XmlLimits
  readonly #taker: XmlTaker
  readonly #parser: SaxesParser<{ xmlns: true; position: true }>
  readonly #path: string[] = []
  /** Elements of the record at hand from the outermost; empty outside of records. */
  readonly #open: XmlNode[] = []
  /** Of each of them that is a part: how much the record around it had till then. */
  readonly #parts: (Size | undefined)[] = []
  #decoder: TextDecoder | undefined
  #head: Uint8Array = new Uint8Array()
  #bytes = 0
  /** Of the record, or part, at hand. */
  #size: Size = { nodes: 0, characters: 0 }
  /** Of the record at hand: what is of another one in it says nothing to us. */
  #namespace = ''
  #characters = 0
  #lastEventAt = 0

  constructor(file: string, taker: XmlTaker, limits: XmlLimits = defaultLimits) {
    this.#file = file
    this.#taker = taker
    this.#limits = limits
    this.#parser = new SaxesParser({ xmlns: true, position: true })
    this.#listen()
  }

  /** @throws RefusedFile at what is not well-formed, not allowed or too large */
  write(chunk: Uint8Array): void {
    this.#bytes += chunk.length
    if (this.#bytes > this.#limits.bytesMax) this.#refuse(`the file is larger than ${this.#limits.bytesMax} bytes`)
    if (this.#decoder !== undefined) {
      this.#feed(this.#decode(this.#decoder, chunk))
      return
    }
    // The declaration says the encoding; it may be cut by the end of a first small chunk.
    const head = new Uint8Array(this.#head.length + chunk.length)
    head.set(this.#head)
    head.set(chunk, this.#head.length)
    this.#head = head
    if (head.length >= 256 || head.includes(0x3e)) this.#begin()
  }

  end(): void {
    if (this.#decoder === undefined) this.#begin()
    if (this.#decoder !== undefined) this.#feed(this.#decode(this.#decoder))
    if (this.#characters === 0) this.#refuse('the file is empty')
    this.#parser.close()
  }

  /** Where the reader stands. */
  place(): FilePlace {
    const path = this.#path.join('/').slice(0, PLACE_MAX) || 'the document'
    return { line: this.#parser.line, column: this.#parser.column, path }
  }

  #begin(): void {
    this.#decoder = new TextDecoder(this.#encodingOf(this.#head), { fatal: true })
    const head = this.#head
    this.#head = new Uint8Array()
    this.#feed(this.#decode(this.#decoder, head))
  }

  #encodingOf(head: Uint8Array): string {
    const first = ((head[0] ?? 0) << 8) | (head[1] ?? 0)
    // With a byte order mark, or as `<` without one.
    if (first === 0xfffe || first === 0x3c00) return 'utf-16le'
    if (first === 0xfeff || first === 0x003c) return 'utf-16be'
    const declared = DECLARED.exec(Buffer.from(head.subarray(0, 256)).toString('latin1'))?.[1]?.toLowerCase() ?? 'utf-8'
    if (declared === 'utf-16') this.#refuse('it says that it is UTF-16, and is written with a byte for each letter')
    if (!ENCODINGS.has(declared)) this.#refuse(`the encoding ${declared} is not read; UTF-8 is`)
    return declared
  }

  #decode(decoder: TextDecoder, chunk?: Uint8Array): string {
    try {
      return decoder.decode(chunk, { stream: chunk !== undefined })
    } catch {
      return this.#refuse(`the bytes are not ${decoder.encoding}`)
    }
  }

  #feed(text: string): void {
    this.#characters += text.length
    this.#parser.write(text)
    if (this.#characters - this.#lastEventAt > SILENT_MAX) this.#refuse('a text or tag does not end')
  }

  #listen(): void {
    const parser = this.#parser
    parser.on('error', (error) => this.#refuse(error.message.replace(/^\d+:\d+: /, '').slice(0, REASON_MAX)))
    parser.on('doctype', () => this.#refuse('a document type (DOCTYPE) is not allowed'))
    parser.on('processinginstruction', () => this.#refuse('a processing instruction is not allowed'))
    parser.on('opentag', (tag) => this.#opened(tag))
    parser.on('closetag', () => this.#closed())
    parser.on('text', (text) => this.#texted(text))
    parser.on('cdata', (text) => this.#texted(text))
    parser.on('comment', () => {
      this.#lastEventAt = this.#characters
    })
  }

  #opened(tag: SaxesTagNS): void {
    this.#lastEventAt = this.#characters
    this.#checkTag(tag)
    const isOutside = this.#open.length === 0
    if (isOutside && this.#taker.use(this.#path, tag.uri, this.#parser) === 'enter') {
      this.#taker.opened(this.#path, this.#parser)
      return
    }
    if (isOutside) this.#namespace = tag.uri
    const isPart = !isOutside && tag.uri === this.#namespace && this.#taker.isPart(this.#path)
    const around = this.#size
    if (isOutside || isPart) this.#size = { nodes: 0, characters: 0 }
    if (++this.#size.nodes > this.#limits.nodesMax) this.#refuse(`more than ${this.#limits.nodesMax} elements`)
    this.#countAttributes(tag)
    const node: XmlNode = {
      name: tag.local,
      text: '',
      currency: tag.attributes.Ccy?.value,
      children: [],
      line: this.#parser.line,
      column: this.#parser.column,
    }
    // What extends a message stands in SplmtryData, what signs it in its header: it is not read, whatever its name.
    if (!isOutside && tag.uri !== this.#namespace && !this.#path.some((name) => EXTENSIBLE.has(name))) {
      this.#refuse(`${tag.local} is of the namespace "${tag.uri.slice(0, 80)}"`)
    }
    if (!isPart && tag.uri === this.#namespace) this.#open.at(-1)?.children.push(node)
    this.#open.push(node)
    this.#parts.push(isPart ? around : undefined)
  }

  #checkTag({ local, attributes }: SaxesTagNS): void {
    if (local.length > NAME_MAX) this.#refuse(`the name of an element has more than ${NAME_MAX} characters`)
    this.#path.push(local)
    if (this.#path.length > this.#limits.depthMax)
      this.#refuse(`more than ${this.#limits.depthMax} elements in another`)
    if (Object.keys(attributes).length > ATTRIBUTES_MAX) this.#refuse('too many attributes')
  }

  #countAttributes({ attributes }: SaxesTagNS): void {
    for (const name in attributes) {
      const { length } = attributes[name]?.value ?? ''
      if (length > this.#limits.textMax) this.#refuse(`an attribute of more than ${this.#limits.textMax} characters`)
      this.#count(length)
    }
  }

  #count(characters: number): void {
    this.#size.characters += characters
    if (this.#size.characters <= this.#limits.recordMax) return
    this.#refuse(`more than ${this.#limits.recordMax} characters in one element`)
  }

  #closed(): void {
    this.#lastEventAt = this.#characters
    const node = this.#open.pop()
    const around = this.#parts.pop()
    if (node === undefined) this.#taker.closed(this.#path, this.#parser)
    else {
      if (node.children.length === 0) node.text = node.text.trim()
      else if (TEXT.test(node.text)) this.#taker.stray(this.place(), node.text.trim())
      if (around !== undefined) {
        this.#size = around
        this.#taker.part(this.#path, node)
      } else if (this.#open.length === 0) this.#taker.record(this.#path, node)
    }
    this.#path.pop()
  }

  #texted(text: string): void {
    this.#lastEventAt = this.#characters
    const node = this.#open.at(-1)
    if (node === undefined) {
      if (TEXT.test(text)) this.#taker.stray(this.place(), text.trim())
      return
    }
    node.text += text
    if (node.text.length > this.#limits.textMax) this.#refuse(`a text of more than ${this.#limits.textMax} characters`)
    this.#count(text.length)
  }

  #refuse(reason: string): never {
    throw new RefusedFile(this.#file, 'format', reason, this.place())
  }
}

/**
 * A text's beginning. What is cut off is let go: a slice would keep the whole text in memory for as long as it lives.
 */
export function cut(text: string, max: number): string {
  return text.length <= max ? text : Buffer.from(text.slice(0, max), 'utf16le').toString('utf16le')
}

/** The element at a path below a node; undefined when there is none. */
export function at(node: XmlNode | undefined, ...path: readonly string[]): XmlNode | undefined {
  let found = node
  for (const name of path) found = found?.children.find((child) => child.name === name)
  return found
}

/** The text at a path below a node; undefined when it is absent or empty. */
export function textAt(node: XmlNode | undefined, ...path: readonly string[]): string | undefined {
  return at(node, ...path)?.text || undefined
}

/** All children of a name. */
export function all(node: XmlNode | undefined, name: string): XmlNode[] {
  return node?.children.filter((child) => child.name === name) ?? []
}
