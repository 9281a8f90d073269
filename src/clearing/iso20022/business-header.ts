import { type Agent, agentXml } from './parties.ts'
import { identifier, utcDateTime } from './values.ts'
import { inChunks, leaf, node } from './xml.ts'

/** head.001.001.02: who sends a message to whom, for networks that want it around the document. */
export interface BusinessHeader {
  readonly from: Agent
  readonly to: Agent
  readonly businessMessageId: string
  /** As in `pacs.009.001.08`. */
  readonly messageName: string
  readonly createdMs: number
}

const NAMESPACE = 'urn:iso:std:iso:20022:tech:xsd:head.001.001.02'
const DECLARATION = /^<\?xml[^>]*\?>\s*/

/** The header alone. @throws MizanError BAD_INPUT when a value cannot be written */
export function businessHeaderXml(header: BusinessHeader): string {
  const content = [
    node('Fr', agentXml('FIId', header.from)),
    node('To', agentXml('FIId', header.to)),
    leaf('BizMsgIdr', identifier(header.businessMessageId, 'BizMsgIdr')),
    leaf('MsgDefIdr', identifier(header.messageName, 'MsgDefIdr')),
    leaf('CreDt', utcDateTime(header.createdMs)),
  ].join('')
  return `<AppHdr xmlns="${NAMESPACE}">${content}</AppHdr>`
}

/**
 * A document within an envelope `BizMsg` behind its header.
 * @throws MizanError BAD_INPUT when a value cannot be written
 */
export function writeBusinessMessage(header: BusinessHeader, document: AsyncIterable<string>): AsyncGenerator<string> {
  return inChunks(pieces(header, document))
}

async function* pieces(header: BusinessHeader, document: AsyncIterable<string>): AsyncGenerator<string> {
  yield `<?xml version="1.0" encoding="UTF-8"?>\n<BizMsg>\n${businessHeaderXml(header)}\n`
  let first = true
  for await (const chunk of document) {
    // The first chunk of a document begins with its declaration, which may only stand at a file's beginning.
    yield first ? chunk.replace(DECLARATION, '') : chunk
    first = false
  }
  yield '</BizMsg>\n'
}
