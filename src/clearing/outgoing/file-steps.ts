import type { PanProtection } from '../../security/pan-protection.ts'

/** What the steps that write files are given. */
export interface FileStepOptions {
  /** Identifier of this centre in files for the card scheme. */
  readonly processingBin: string
  /** Name of this centre in files of its own. */
  readonly centre: string
  /** Transactions in a batch of the card scheme's file. */
  readonly batchItems: number
  /** Whether the card scheme's file is marked as a test. */
  readonly testFiles: boolean
  /** Links that bring the card scheme's messages. */
  readonly railLinks: readonly string[]
  /** Reads card numbers for the card scheme's file. */
  readonly protection: Pick<PanProtection, 'decrypt'>
}

/** A step that one of these files does under its own name in the files' history. */
export const FILE_TYPES = ['CTF', 'SUB', 'OUT'] as const
