import { describeError, MizanError } from '../../errors.ts'

/** Named inputs of a known answer: hex, digits, plain text or a small number. */
export type Inputs = Readonly<Record<string, unknown>>

/**
 * Computes the outputs of an algorithm from the inputs of a known answer; throws a MizanError when the input must be
 * refused. Bytes are given as upper-case hex. It may give more outputs than an answer expects.
 */
export type KnownAlgorithm = (inputs: Inputs) => Readonly<Record<string, string>>

/** Algorithms by the name that files of known answers give them. */
export type KnownAlgorithms = Readonly<Record<string, KnownAlgorithm>>

/** One known answer that did not come out. */
export interface FailedAnswer {
  readonly id: string
  /** what is wrong, a line each; names outputs, never their values */
  readonly problems: readonly string[]
}

/**
 * Outputs that standards and tools print cut short, with the least number of characters that still says something:
 * an expected value of at least so many characters need only be the beginning of the computed one.
 */
const mayBeCut: ReadonlyMap<string, number> = new Map([
  ['mac', 8],
  ['kcv', 4],
  ['icc_mk_kcv', 4],
  ['sk_kcv', 4],
  ['cvv', 3],
  ['cavv', 3],
  ['dcvv', 3],
])

/**
 * Runs known answers and returns those that did not come out, in the order given. An answer names its `algorithm`, its
 * `inputs`, and in `expected` the outputs, or `{ "error": true }` when the inputs must be refused. An algorithm that is
 * not there is a failure, never a skip.
 * @param answers what the file holds, not yet checked
 */
export function runKnownAnswers(answers: readonly unknown[], algorithms: KnownAlgorithms): FailedAnswer[] {
  const failed: FailedAnswer[] = []
  for (const [index, answer] of answers.entries()) {
    const problems = problemsOf(answer, algorithms)
    const id = isRecord(answer) && typeof answer.id === 'string' ? answer.id : `number ${index + 1}`
    if (problems.length > 0) failed.push({ id, problems })
  }
  return failed
}

function problemsOf(answer: unknown, algorithms: KnownAlgorithms): string[] {
  if (!isRecord(answer) || typeof answer.algorithm !== 'string' || !isRecord(answer.inputs)) {
    return ['must have algorithm, inputs and expected']
  }
  const { expected } = answer
  if (!isRecord(expected) || Object.keys(expected).length === 0) return ['must have algorithm, inputs and expected']
  const algorithm = Object.hasOwn(algorithms, answer.algorithm) ? algorithms[answer.algorithm] : undefined
  if (algorithm === undefined) return [`no algorithm ${answer.algorithm}`]
  const mustFail = expected.error === true
  try {
    const outputs = algorithm(answer.inputs)
    return mustFail ? ['was computed, but must be refused'] : differences(outputs, expected)
  } catch (error) {
    // Refused means refused with a reason of the catalogue; a broken invariant or a TypeError is a fault of ours.
    if (mustFail && error instanceof MizanError && error.code !== 'ASSERTION_FAILED') return []
    return [`refused: ${describeError(error)}`]
  }
}

function differences(outputs: Readonly<Record<string, string>>, expected: Inputs): string[] {
  const problems: string[] = []
  for (const [name, value] of Object.entries(expected)) {
    const output = Object.hasOwn(outputs, name) ? outputs[name] : undefined
    if (output === undefined) problems.push(`${name}: is not computed`)
    else if (typeof value !== 'string' || !agrees(name, output, value)) problems.push(`${name}: differs`)
  }
  return problems
}

function agrees(name: string, output: string, expected: string): boolean {
  if (output === expected) return true
  const least = mayBeCut.get(name)
  return least !== undefined && expected.length >= least && output.startsWith(expected)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * The bytes of an input given as hex, of either case; an empty text gives no bytes.
 * @throws MizanError BAD_INPUT when the input is absent or not whole bytes of hex
 */
export function hexInput(inputs: Inputs, name: string): Buffer {
  const text = inputs[name]
  if (typeof text !== 'string' || !/^(?:[0-9A-Fa-f]{2})*$/.test(text)) {
    throw new MizanError('BAD_INPUT', `${name} must be hex`)
  }
  return Buffer.from(text, 'hex')
}

/**
 * An input that is a text.
 * @throws MizanError BAD_INPUT when the input is absent or no text
 */
export function textInput(inputs: Inputs, name: string): string {
  const text = inputs[name]
  if (typeof text !== 'string') throw new MizanError('BAD_INPUT', `${name} must be a text`)
  return text
}

/**
 * An input that is a whole number, given as a number or as decimal digits.
 * @throws MizanError BAD_INPUT when the input is absent or no whole number of 0 or more
 */
export function numberInput(inputs: Inputs, name: string): number {
  const value = inputs[name]
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0) {
    throw new MizanError('BAD_INPUT', `${name} must be a whole number`)
  }
  return number
}

/**
 * A list of byte strings given as hex.
 * @throws MizanError BAD_INPUT when the input is absent, no list, or an entry is not hex
 */
export function hexListInput(inputs: Inputs, name: string): Buffer[] {
  const list = inputs[name]
  if (!Array.isArray(list)) throw new MizanError('BAD_INPUT', `${name} must be a list of hex`)
  return list.map((entry) => hexInput({ [name]: entry }, name))
}

/** Whether an input is given at all, for inputs that have a default. */
export function hasInput(inputs: Inputs, name: string): boolean {
  return Object.hasOwn(inputs, name) && inputs[name] !== undefined
}

/** Bytes as the upper-case hex in which outputs are compared. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex').toUpperCase()
}
