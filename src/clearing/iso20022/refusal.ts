import { MizanError } from '../../errors.ts'
import { maskCardNumbers } from '../../identifiers.ts'

/**
 * Why a bank's file is refused: its form, whose account it is of, that it came before, what is missing, what does not
 * add up.
 */
export type RefusalCause = 'format' | 'account' | 'duplicate' | 'gap' | 'balance' | 'other'

/** Where in a file something stands. */
export interface FilePlace {
  readonly line: number
  readonly column: number
  /** Elements from the outermost, as `Document/BkToCstmrStmt/Stmt/Ntry/Amt`. */
  readonly path: string
}

/** A bank's file is refused as a whole. Its words name file, line and column, element and reason. */
export class RefusedFile extends MizanError {
  readonly refusal: RefusalCause
  readonly place: FilePlace | undefined

  constructor(file: string, refusal: RefusalCause, reason: string, place?: FilePlace) {
    const where = place === undefined ? file : `${file}:${place.line}:${place.column}: ${place.path}`
    super('BAD_INPUT', `${where}: ${maskCardNumbers(reason)}`)
    this.refusal = refusal
    this.place = place
  }
}
