import path from 'node:path'
import { type FileType, fileTypes } from '../store/clearing/clearing-file.ts'
import type { ConfigFile } from './schema.ts'
import type { Problem } from './validation.ts'

type Clearing = ConfigFile['clearing']

/** The group `clearing`, its file names absolute and its policy decided. */
export type CompleteClearing = Omit<Clearing, 'release'> & { release: { required: FileType[] } }

/** Fills in what depends on the environment and on where files lie. */
export function completeDelivery(
  clearing: Clearing,
  isProduction: boolean,
  absolute: (name: string) => string,
): CompleteClearing {
  const { delivery, folder } = clearing
  const placed = <T extends { folder: string; sftp?: SftpSettings }>(place: T): T => {
    const { sftp } = place
    // A folder of a server is the server's business.
    if (sftp === undefined) return { ...place, folder: path.resolve(folder, place.folder) }
    return { ...place, sftp: withAbsolute(sftp, absolute) }
  }
  return {
    ...clearing,
    release: { required: clearing.release.required ?? (isProduction ? [...fileTypes] : []) },
    delivery: {
      ...delivery,
      destinations: delivery.destinations.map(placed),
      inboxes: delivery.inboxes.map(placed),
    },
  }
}

type SftpSettings = NonNullable<Clearing['delivery']['destinations'][number]['sftp']>

function withAbsolute(sftp: SftpSettings, absolute: (name: string) => string): SftpSettings {
  const { keyFile, passwordFile } = sftp
  return {
    ...sftp,
    ...(keyFile === undefined ? {} : { keyFile: absolute(keyFile) }),
    ...(passwordFile === undefined ? {} : { passwordFile: absolute(passwordFile) }),
  }
}

/** Folders of `in` in the clearing folder. */
const RESERVED = ['done', 'rejected']

/** Names that stand for one place, and one way to log in. */
export function checkDelivery({ clearing: { delivery } }: ConfigFile): Problem[] {
  const problems: Problem[] = []
  for (const list of ['destinations', 'inboxes'] as const) {
    const names = new Set<string>()
    delivery[list].forEach(({ name, sftp }, index) => {
      const at = `clearing.delivery.${list}.${index}`
      if (names.has(name)) problems.push({ path: `${at}.name`, message: `another one is called ${name}` })
      names.add(name)
      if (list === 'inboxes' && RESERVED.includes(name)) {
        problems.push({ path: `${at}.name`, message: `${name} is the name of a folder where files are kept` })
      }
      if (sftp !== undefined && (sftp.keyFile === undefined) === (sftp.passwordFile === undefined)) {
        problems.push({ path: `${at}.sftp`, message: 'must have one of keyFile and passwordFile' })
      }
    })
  }
  if (delivery.longestRetryMs < delivery.firstRetryMs) {
    problems.push({ path: 'clearing.delivery.longestRetryMs', message: 'must not be less than firstRetryMs' })
  }
  return problems
}
