import type { DecisionDraft } from './decision.ts'
import type { AuthorizationRequest } from './request.ts'
import type { Result } from './result.ts'
import type { TraceCode } from './trace.ts'

/** DE39 of an advice that tells of an approval. */
const APPROVED_ELSEWHERE: readonly string[] = ['00', '10']

type Told = Pick<AuthorizationRequest, 'messageClass' | 'adviceCode'>

/** Whether a message tells of what was decided already: by the network in Mizan's stead, or by the outlet. */
export function isAdvice({ messageClass }: Pick<AuthorizationRequest, 'messageClass'>): boolean {
  return messageClass === 'authorization-advice' || messageClass === 'financial-advice'
}

/**
 * Whether an advice tells of an approval (DE39 00, 10 or absent). Goods or cash are out: what is told is posted even
 * where Mizan would have refused it, and marked.
 */
export function isHonoured(request: Told): boolean {
  const { adviceCode } = request
  return isAdvice(request) && (adviceCode === undefined || APPROVED_ELSEWHERE.includes(adviceCode))
}

/** Whether an advice tells of a refusal: it is recorded, and nothing is posted. */
export function isRefusedElsewhere(request: Told): boolean {
  return isAdvice(request) && !isHonoured(request)
}

/** Marks what is posted though it would have been refused here: the refusal, and the rule that would have decided. */
export function flag(draft: DecisionDraft, result: Result, code: TraceCode): void {
  draft.note('advice.flagged', result, code)
}
