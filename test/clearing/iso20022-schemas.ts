import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { XmlDocument, XsdValidator } from 'libxml2-wasm'

/**
 * Folder with ISO's schemas and with banks' sample files, which are not part of the project: `MIZAN_SHARED_VECTORS`, or
 * `shared/vectors` beside the project's own folder. What needs them is skipped where they are not.
 */
const vectors = process.env.MIZAN_SHARED_VECTORS ?? path.resolve(import.meta.dirname, '../../../shared/vectors')

export const schemaFolder = path.join(vectors, 'iso20022-xsd')
export const sampleFolder = path.join(vectors, 'bank-samples')

/** Reason to skip what needs a folder, or false. */
export const skipWithout = (folder: string): string | false =>
  existsSync(folder) ? false : `${folder} is not here (MIZAN_SHARED_VECTORS names the folder above it)`

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
