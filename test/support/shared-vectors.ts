import { existsSync } from 'node:fs'
import path from 'node:path'

/**
 * Known answers, schemas and sample files that are not part of the project: `MIZAN_SHARED_VECTORS` names their folder, or it
 * is `shared/vectors` beside the project's own. Tests that need some are skipped where they are not, and say so.
 */
const folder = process.env.MIZAN_SHARED_VECTORS ?? path.resolve(import.meta.dirname, '../../../shared/vectors')

/** Path of a file or folder among them, there or not. */
export function sharedVectors(name: string): string {
  return path.join(folder, name)
}

/** Reason to skip what needs a file or folder, or false. */
export function skipWithout(place: string): string | false {
  return existsSync(place)
    ? false
    : `${place} is not here (MIZAN_SHARED_VECTORS names the folder of the shared vectors)`
}
