import { formatPiasters } from '../../money.ts'
import type { AnsweredMessage, InstructionRow } from '../../store/clearing/bank-instructions.ts'
import type { AnswerEvent, ReadAmount, ReturnEvent } from '../iso20022/bank-events.ts'
import { known } from '../iso20022/camt-values.ts'
import { piastersOf } from '../iso20022/read-context.ts'

/** Hundred-thousandths of a pound in a piaster. */
const IN_PIASTER = 1_000n
const CURRENCY = 'EGP'

/** What makes it doubtful that an answer is about the payment whose id it names, in up to 66 characters; undefined when nothing does. */
export function doubtOfPayment(event: AnswerEvent | ReturnEvent, instruction: InstructionRow): string | undefined {
  const whole = instruction.amountPiasters
  const block = event.type === 'answer' && instruction.kind === 'pain.001' ? event.paymentId : undefined
  const doubt = doubtOfMessage(event, instruction) ?? otherMessage(block, instruction.messageId)
  if (doubt !== undefined) return doubt
  const other = event.originals.find(({ value, currency }) => currency !== CURRENCY || value !== whole * IN_PIASTER)
  if (other !== undefined) return `it tells of ${shown(other)}, the payment is of ${pounds(whole)}`
  if (event.type === 'return' && event.returned.value > whole * IN_PIASTER) {
    return `${shown(event.returned)} come back of ${pounds(whole)}`
  }
  return undefined
}

/** The same of an answer to a message as a whole, or to its payment block: what of the message it names is another one's. */
export function doubtOfMessage(
  event: Pick<AnswerEvent, 'originalMessageId' | 'originalMessageName'>,
  { messageId, kind }: AnsweredMessage,
): string | undefined {
  const name = event.originalMessageName?.trim().toLowerCase()
  const isNamed = name === undefined || name === kind || name.startsWith(`${kind}.`)
  if (!isNamed) return `it is to a ${name.slice(0, 20)}, not to a ${kind}`
  return otherMessage(event.originalMessageId, messageId)
}

function otherMessage(said: string | undefined, ours: string | undefined): string | undefined {
  if (known(said) === undefined || said === ours) return undefined
  return `it is to ${said}, which is not its message`
}

const pounds = (piasters: bigint) => `${formatPiasters(piasters)} ${CURRENCY}`

function shown({ value, currency }: ReadAmount): string {
  if (currency === CURRENCY) return pounds(piastersOf(value))
  return `${String(value / 100_000n)}.${String((value / IN_PIASTER) % 100n).padStart(2, '0')} ${currency}`
}

/** What statuses of a message and of its payments in one file come to: standards let none of them contradict the others. */
interface Said {
  groupRejects: boolean
  groupAccepts: boolean
  paymentRejects: boolean
  paymentAccepts: boolean
}

/** What one file says of our messages, as a whole and by their payments. */
export class SaidOfMessages {
  readonly #said = new Map<string, Said>()

  /** @param message id of a message of ours: the number of them bounds the memory */
  note(message: string, status: string, isGroup: boolean): void {
    const side = sideOf(status)
    if (side === undefined) return
    const none: Said = { groupRejects: false, groupAccepts: false, paymentRejects: false, paymentAccepts: false }
    const said = this.#said.get(message) ?? none
    this.#said.set(message, { ...said, [`${isGroup ? 'group' : 'payment'}${side}`]: true })
  }

  /** Why a status cannot be taken: another one of the same file contradicts it. */
  contradiction(message: string, status: string, isGroup: boolean): string | undefined {
    const said = this.#said.get(message)
    const side = sideOf(status)
    if (said === undefined || side === undefined) return undefined
    const rejects = said.groupRejects || (isGroup && said.paymentRejects)
    const accepts = said.groupAccepts || (isGroup && said.paymentAccepts)
    if (side === 'Rejects' ? !accepts : !rejects) return undefined
    return isGroup ? 'the same file says otherwise of its payments' : 'the same file says otherwise of its message'
  }
}

/** PART, and no status, say nothing of the other level. */
function sideOf(status: string): 'Rejects' | 'Accepts' | undefined {
  if (status === '' || status === 'PART') return undefined
  return status === 'RJCT' ? 'Rejects' : 'Accepts'
}
