import type { CivilDate } from '../../calendar.ts'
import type { ClearingFile } from '../../store/clearing/files.ts'
import type { Client } from '../../store/connection.ts'
import type { IncomingPolicy } from './judge.ts'

/** What receiving needs. */
export interface ReceiveContext {
  /** Of the application's role; used for nothing else meanwhile. */
  readonly client: Client
  readonly policy: IncomingPolicy
  /** Business date of now. */
  readonly today: CivilDate
  /** Identifier of this centre in the network's files. */
  readonly processingBin: string
  /** Whether test files are refused. */
  readonly isProduction: boolean
  /** Transactions in a batch of our own files: what a returned item is found by. */
  readonly batchItems: number
  /** Who receives, up to 64 characters. */
  readonly actor: string
  /**
   * Whether the same file under the same name, given again when it is done, is answered as it was: whoever hands files
   * on may not know what came of one. @default never
   */
  readonly acceptsAgain?: ((known: ClearingFile) => boolean) | undefined
  /** How long the writers may carry out nothing before it is given up; the file goes on later from where it stands. */
  readonly stallMs: number
  readonly signal?: AbortSignal | undefined
  panIndexOf(pan: string): string
  onProgress?(done: number, total: number): void
}
