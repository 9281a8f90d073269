import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { ProgrammeCatalogue } from '../benefit/programme-book.ts'
import { civilDate } from '../calendar.ts'
import type { PanProtection } from '../security/pan-protection.ts'
import { connect } from '../store/connection.ts'
import { type HouseholdRecord, loadHouseholds } from '../store/household-loader.ts'
import { saveReferenceData } from '../store/reference-data.ts'
import { writeWholeFile } from '../whole-file.ts'
import { chipCountersFile } from './chip-counters.ts'
import { DemoIssuer } from './demo-issuer.ts'
import { demoKeys } from './demo-keys.ts'
import { saveDemoSettlement } from './demo-settlement.ts'
import {
  type DemoHousehold,
  demoAcquirers,
  demoHousehold,
  demoOutlets,
  demoServices,
  householdRecord,
  worldFile,
} from './demo-world.ts'

export interface DemoWorldOptions {
  readonly url: string
  readonly laneCount: number
  readonly seed: number
  readonly households: number
  /** Whether the first households are the special ones; a bench wants none. */
  readonly withCases: boolean
  /** One household in so many has its account at the account host. @default 0 = none */
  readonly remoteEvery?: number
  readonly nowMs: number
  readonly cutoverMinutes: number
  readonly programmes: ProgrammeCatalogue
  readonly protection: PanProtection
  readonly onProgress?: (done: number) => void
}

/** Fills an empty database with the demo world: outlets, services, households, cards and opening postings. */
export async function loadDemoWorld(options: DemoWorldOptions): Promise<void> {
  const { url, programmes } = options
  const client = await connect({ url, name: 'mizan demo world', role: 'mizan_app' })
  try {
    await saveReferenceData(client, {
      acquirers: demoAcquirers,
      outlets: demoOutlets(),
      services: demoServices(programmes),
    })
    await saveDemoSettlement(client)
  } finally {
    await client.end()
  }
  const { laneCount, nowMs, cutoverMinutes, onProgress } = options
  await loadHouseholds({
    url,
    laneCount,
    nowMs,
    cutoverMinutes,
    households: records(options),
    ...(onProgress === undefined ? {} : { onProgress }),
  })
}

function* records(options: DemoWorldOptions): Generator<HouseholdRecord> {
  const today = civilDate(options.nowMs)
  const issuer = new DemoIssuer(demoKeys(options.seed))
  const programmes = options.programmes.on(today)
  for (let id = 1; id <= options.households; id++) {
    const household = demoHousehold(options.seed, id, options.withCases, options.remoteEvery)
    yield householdRecord(household, today, programmes, options.protection, issuer)
  }
}

/**
 * Writes `demo/world.json` into the data folder: clear test cards and keys, for simulators.
 * @returns the file's name
 */
export function writeWorldFile(
  varDir: string,
  options: Pick<DemoWorldOptions, 'seed' | 'households' | 'nowMs' | 'programmes' | 'remoteEvery'>,
): string {
  const households: DemoHousehold[] = []
  const { seed, remoteEvery } = options
  for (let id = 1; id <= options.households; id++) households.push(demoHousehold(seed, id, true, remoteEvery))
  const world = worldFile(households, options.nowMs, options.programmes, demoKeys(options.seed))
  const file = path.join(varDir, 'demo', 'world.json')
  mkdirSync(path.dirname(file), { recursive: true })
  // The cards of a new world have made no transaction yet.
  rmSync(chipCountersFile(varDir), { force: true })
  writeWholeFile(file, `${JSON.stringify(world, null, 1)}\n`)
  return file
}
