import path from 'node:path'
import type { ClearingFile, FileType } from '../../store/clearing/files.ts'
import type { ContentCipher } from '../protection/enveloped-data.ts'
import { partnerOf } from '../protection/key-room.ts'
import type { KeySeal } from '../protection/key-seal.ts'
import { folderPlace } from './folder-place.ts'
import type { Place } from './place.ts'
import { type SftpSettings, sftpPlace } from './sftp-place.ts'

/** A folder of this machine or of a server. */
export interface PlaceSettings {
  readonly name: string
  readonly folder: string
  readonly sftp?: SftpSettings
}

/** Where files go; see `clearing.delivery.destinations` of the configuration. */
export interface Destination extends PlaceSettings {
  readonly types?: readonly FileType[]
  readonly institutions?: readonly string[]
  readonly partner?: string
  readonly encrypt: boolean
  readonly acknowledgeWithinMinutes?: number
}

/** Where files of partners are fetched; see `clearing.delivery.inboxes`. */
export interface Inbox extends PlaceSettings {
  readonly partner: string
  readonly type?: FileType
  readonly requireSignature: boolean
  readonly remove: boolean
  readonly bytesMax: number
}

/** What protection and delivery of files go by. */
export interface DeliveryOptions {
  /** The clearing folder, absolute. */
  readonly folder: string
  readonly isProduction: boolean
  readonly cipher: ContentCipher
  readonly destinations: readonly Destination[]
  readonly inboxes: readonly Inbox[]
  /** Types of files that two people release. */
  readonly releaseRequired: readonly FileType[]
  readonly attempts: number
  readonly firstRetryMs: number
  readonly longestRetryMs: number
  /** Opens the seal of private keys, which needs the master key. */
  readonly openSeal: () => Promise<KeySeal>
  /** Where the keys of partners of a demo world are put, for whoever plays them. */
  readonly demoFolder: string
}

/** Files of these types hold card numbers: they never leave in clear, and are never taken in clear. */
export const typesWithPans: readonly FileType[] = ['CTF', 'ITF']

/**
 * Where a file goes: the first destination that fits. Outside production, without one, into `delivered` in the clearing
 * folder.
 * @returns undefined when it has nowhere to go
 */
export function destinationOf(
  file: Pick<ClearingFile, 'type' | 'institution'>,
  { destinations, isProduction, folder }: DeliveryOptions,
): Destination | undefined {
  const { type, institution } = file
  const partner = partnerOf(institution)
  const found = destinations.find(
    ({ types, institutions }) =>
      (types?.includes(type) ?? true) &&
      (institutions === undefined || institutions.includes(partner) || institutions.includes(institution)),
  )
  if (found !== undefined) return found
  if (isProduction) return undefined
  return { name: 'delivered', folder: path.join(folder, 'delivered', partner), encrypt: false }
}

/** Whose certificate a file for a destination is encrypted with. */
export function partnerAt(destination: Destination, file: Pick<ClearingFile, 'institution'>): string {
  return destination.partner ?? partnerOf(file.institution)
}

/** Whether a file goes out encrypted. */
export function isEncrypted(file: Pick<ClearingFile, 'type'>, destination: Destination | undefined): boolean {
  return typesWithPans.includes(file.type) || destination?.encrypt === true
}

/** Opens the place of a destination or an inbox. */
export function openPlace({ folder, sftp }: PlaceSettings): Place {
  return sftp === undefined ? folderPlace(folder) : sftpPlace(folder, sftp)
}
