import { type ProgrammeCatalogue, programmeCatalogue } from '../benefit/programme-book.ts'
import type { ProgrammeFile } from '../benefit/programme-schema.ts'
import { MizanError } from '../errors.ts'
import type { Client } from './connection.ts'
import {
  type ProgrammeRow,
  type ProgrammeState,
  type ProgrammeVersion,
  programmeColumns,
  type StoredProgramme,
  storedProgramme,
  versionOf,
} from './programme-record.ts'

/** What is in use, and when it was read. */
export interface ProgrammeSnapshot {
  readonly generation: number
  readonly catalogue: ProgrammeCatalogue
}

type Query = Pick<Client, 'query'>

/** Lists versions without their content, by code and version. */
export async function listProgrammes(
  client: Query,
  filter: { readonly code?: string; readonly state?: ProgrammeState } = {},
): Promise<ProgrammeVersion[]> {
  const { rows } = await client.query<ProgrammeRow>(
    `select ${programmeColumns} from programmes
     where ($1::text is null or code = $1) and ($2::text is null or state = $2) order by code, version`,
    [filter.code ?? null, filter.state ?? null],
  )
  return rows.map(versionOf)
}

/**
 * Reads a version with its content.
 * @param version absent = the latest that was published, else the latest
 * @throws MizanError NOT_FOUND; PROGRAMME_INVALID when the content is not what was checked
 */
export async function findProgramme(client: Query, code: string, version?: number): Promise<StoredProgramme> {
  const { rows } = await client.query<ProgrammeRow & { content: unknown }>(
    `select ${programmeColumns}, content from programmes where code = $1 and ($2::integer is null or version = $2)
     order by state = 'published' desc, version desc limit 1`,
    [code, version ?? null],
  )
  const [row] = rows
  const which = version === undefined ? `programme ${code}` : `version ${version} of programme ${code}`
  if (row === undefined) throw new MizanError('NOT_FOUND', `there is no ${which}: mizan programme list shows what is`)
  return storedProgramme(row)
}

/**
 * Reads all that is published.
 * @throws MizanError PROGRAMME_INVALID naming each version that does not pass today's checks
 */
export async function loadProgrammes(client: Query): Promise<ProgrammeSnapshot> {
  // The generation first: what is published meanwhile is then read again.
  const generation = await readProgrammeGeneration(client)
  return { generation, catalogue: await readCatalogue(client) }
}

/**
 * The catalogue of all that is published; analysts may read it too.
 * @throws MizanError PROGRAMME_INVALID
 */
export async function readCatalogue(client: Query): Promise<ProgrammeCatalogue> {
  return programmeCatalogue(await programmeFiles(client))
}

/** Generation of what is published. */
export async function readProgrammeGeneration(client: Query): Promise<number> {
  const { rows } = await client.query<{ generation: string }>('select generation from programme_generation')
  return Number(rows[0]?.generation)
}

/** Contents of the versions in some states, by code and version. @throws MizanError PROGRAMME_INVALID */
export async function programmeFiles(
  client: Query,
  states: readonly ProgrammeState[] = ['published'],
): Promise<ProgrammeFile[]> {
  const { rows } = await client.query<ProgrammeRow & { content: unknown }>(
    `select ${programmeColumns}, content from programmes where state = any($1) order by code, version`,
    [states],
  )
  return rows.map((row) => storedProgramme(row).file)
}
