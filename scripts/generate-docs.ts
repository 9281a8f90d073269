import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { renderConfigurationPage, renderConfigurationSchema } from './docs/configuration-page.ts'
import { renderErrorsPage } from './docs/errors-page.ts'
import { renderMetricsPage } from './docs/metrics-page.ts'
import { renderProgrammeSchema, renderProgrammesPage } from './docs/programmes-page.ts'

/**
 * Writes the pages and schemas that are made from the source. `--check` writes nothing and exits 1 when one is not
 * current; a test runs it.
 */
const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')

const pages: Readonly<Record<string, () => string | Promise<string>>> = {
  'docs/configuration.md': renderConfigurationPage,
  'docs/errors.md': renderErrorsPage,
  'docs/metrics.md': renderMetricsPage,
  'docs/programmes.md': renderProgrammesPage,
  'schemas/config.schema.json': renderConfigurationSchema,
  'schemas/programme.schema.json': renderProgrammeSchema,
}

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
const stale: string[] = []
for (const [name, render] of Object.entries(pages)) {
  const file = path.join(repository, name)
  const content = await render()
  if (content === readOrEmpty(file)) continue
  if (values.check) stale.push(name)
  else {
    writeFileSync(file, content)
    console.log(`wrote ${name}`)
  }
}
if (stale.length > 0) {
  console.error(`not current: ${stale.join(', ')}; run node scripts/generate-docs.ts`)
  process.exitCode = 1
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
