import { readFileSync } from 'node:fs'
import path from 'node:path'
import { XmlDocument, XsdValidator } from 'libxml2-wasm'
import { sharedVectors, skipWithout } from '../support/shared-vectors.ts'

export { skipWithout }

/** ISO's schemas. */
export const schemaFolder = sharedVectors('iso20022-xsd')
/** Sample files of banks. */
export const sampleFolder = sharedVectors('bank-samples')

/** What the official schema says against a document; undefined when it is valid. */
export function schemaProblem(schema: string, text: string): string | undefined {
  const file = path.join(schemaFolder, schema.split('.')[0] ?? '', `${schema}.xsd`)
  const xsd = XmlDocument.fromBuffer(readFileSync(file))
  const validator = XsdValidator.fromDoc(xsd)
  const document = XmlDocument.fromString(text)
  try {
    validator.validate(document)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    document.dispose()
    validator.dispose()
    xsd.dispose()
  }
}

/** All of a text that comes in chunks. */
export async function whole(chunks: AsyncIterable<string>): Promise<string> {
  let text = ''
  for await (const chunk of chunks) text += chunk
  return text
}
