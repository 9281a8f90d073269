import { MizanError } from '../../errors.ts'
import type { KeyBlockHeader, ModeOfUse } from '../key-blocks/header.ts'
import { assertCombination, assertSound } from '../key-blocks/usage.ts'
import { fitsAlgorithm } from '../key-blocks/wrap.ts'
import { xorBlock } from '../primitives/block-modes.ts'
import { setOddParity } from '../primitives/key-checks.ts'
import { equalDigits, wipe } from '../primitives/secrets.ts'
import { checkValueOf } from './check-value.ts'

/** The key that is to be entered. */
export interface ComponentPlan {
  readonly usage: KeyBlockHeader['usage']
  /** Triple DES or AES. */
  readonly algorithm: 'T' | 'A'
  /** What the key will be let do; must fit its usage. */
  readonly modeOfUse: ModeOfUse
  /** Length of the key and of each component. */
  readonly keyBytes: number
  /** How many persons enter it: 2 or 3. */
  readonly components: number
}

/** What a person sees who has entered a component. Check values are hex, upper case. */
export interface ComponentAnswer {
  /** Place of the component, from 1. */
  readonly position: number
  /** How many components are still to come. */
  readonly missing: number
  /** Check value of this component, to compare with the holder's own paper. */
  readonly componentKcv: string
  /** Check value of the whole key, when this was the last component: to be confirmed. */
  readonly keyKcv: string | undefined
}

/** A key whose check value was confirmed. */
export interface EnteredKey {
  readonly plan: ComponentPlan
  /** Odd parity set on a triple DES key. The caller's to wrap and wipe at once. */
  readonly key: Buffer
  readonly keyKcv: string
  /** Who entered the components, in their order. */
  readonly holders: readonly string[]
  readonly confirmedBy: string
}

/**
 * Where an entry stands: taking components; complete, its check value waiting to be confirmed; or ended, by
 * confirmation, refusal or withdrawal, with nothing of the key left.
 */
export type ComponentState = 'taking' | 'complete' | 'ended'

/**
 * Entry of a key in components under dual control and split knowledge (PCI PIN 6 and 12, ANSI X9.24-1): each
 * component by another person, check values after each step, and the key given out only after its own check value was
 * confirmed. Components are added up as they come and not kept. Does no I/O and knows no time: the caller limits how
 * long an entry may stay open, and vouches for who the users are.
 */
export class ComponentEntry {
  readonly plan: ComponentPlan
  /** Sum (exclusive or) of the components so far; after the last one, the key. */
  readonly #key: Buffer
  readonly #holders: string[] = []
  readonly #componentKcvs: string[] = []
  #keyKcv = ''
  #state: ComponentState = 'taking'

  /**
   * @throws MizanError BAD_INPUT when number of components or length of the key are not such; CRYPTO_REFUSED when
   *   usage, algorithm and mode of use do not go together
   */
  constructor(plan: ComponentPlan) {
    if (plan.components !== 2 && plan.components !== 3) {
      throw new MizanError('BAD_INPUT', 'a key is entered in 2 or 3 components')
    }
    if (!fitsAlgorithm(plan.algorithm, plan.keyBytes, false)) {
      throw new MizanError('BAD_INPUT', `a key of ${plan.keyBytes} bytes does not fit algorithm ${plan.algorithm}`)
    }
    assertCombination({
      version: 'D',
      usage: plan.usage,
      algorithm: plan.algorithm,
      modeOfUse: plan.modeOfUse,
      keyVersion: '00',
      exportability: 'N',
      keyContext: '0',
      optionalBlocks: [],
    })
    this.plan = { ...plan }
    this.#key = Buffer.alloc(plan.keyBytes)
  }

  get state(): ComponentState {
    return this.#state
  }

  /** Who has entered a component, in their order. */
  get holders(): readonly string[] {
    return [...this.#holders]
  }

  /**
   * Takes the next component. A component that is refused can be entered again; a key that is refused ends the entry.
   * @param userId who enters it, as authenticated; not one who has entered a component before
   * @param component as long as the key; overwritten with zeros, whatever the result
   * @throws MizanError BAD_INPUT when no component is expected, the length is wrong or the component does nothing for
   *   the key; CRYPTO_REFUSED when the person has already entered one, or the components make a weak key
   */
  add(userId: string, component: Uint8Array): ComponentAnswer {
    try {
      return this.#take(userId, component)
    } finally {
      wipe(component)
    }
  }

  #take(userId: string, component: Uint8Array): ComponentAnswer {
    this.#expect('taking', 'no component is expected')
    requireUser(userId)
    if (this.#holders.includes(userId)) {
      throw new MizanError('CRYPTO_REFUSED', 'each component must be entered by another person')
    }
    if (component.length !== this.plan.keyBytes) {
      throw new MizanError('BAD_INPUT', `a component must have the ${this.plan.keyBytes} bytes of the key`)
    }
    const componentKcv = checkValueOf(this.plan.algorithm, component)
    // Zeros, or a component entered twice, would leave the key to fewer persons than planned.
    if (this.#isNeutral(component) || this.#componentKcvs.includes(componentKcv)) {
      throw new MizanError('BAD_INPUT', 'the component is all zeros or equal to another one')
    }
    xorBlock(this.#key, 0, component, 0, component.length)
    this.#holders.push(userId)
    this.#componentKcvs.push(componentKcv)
    const position = this.#holders.length
    const missing = this.plan.components - position
    if (missing === 0) this.#complete()
    return { position, missing, componentKcv, keyKcv: missing === 0 ? this.#keyKcv : undefined }
  }

  /** Turns the sum into the key, or ends the entry when that is weak. */
  #complete(): void {
    if (this.plan.algorithm === 'T') setOddParity(this.#key)
    try {
      assertSound(this.plan.algorithm, this.#key)
    } catch (error) {
      this.cancel()
      throw error
    }
    this.#keyKcv = checkValueOf(this.plan.algorithm, this.#key)
    this.#state = 'complete'
  }

  /**
   * Gives out the key and ends the entry. A check value that does not match leaves the entry as it is: it may be a slip
   * of the pen, and who finds it wrong indeed cancels.
   * @param userId who confirms, as authenticated
   * @param keyKcv check value of the key as the person has it on paper, not as it was shown; hex of either case
   * @throws MizanError BAD_INPUT when components are missing, the entry has ended or the check value does not match
   */
  confirm(userId: string, keyKcv: string): EnteredKey {
    this.#expect('complete', 'there is no key to confirm')
    requireUser(userId)
    if (!equalDigits(keyKcv.toUpperCase(), this.#keyKcv)) {
      throw new MizanError('BAD_INPUT', 'the check value is not that of the key')
    }
    const entered: EnteredKey = {
      plan: this.plan,
      key: Buffer.alloc(this.#key.length),
      keyKcv: this.#keyKcv,
      holders: this.holders,
      confirmedBy: userId,
    }
    this.#key.copy(entered.key)
    this.cancel()
    return entered
  }

  /** Ends the entry and overwrites what it holds of the key. May be called at any time. */
  cancel(): void {
    wipe(this.#key)
    this.#keyKcv = ''
    this.#state = 'ended'
  }

  #expect(state: ComponentState, otherwise: string): void {
    if (this.#state !== state) throw new MizanError('BAD_INPUT', otherwise)
  }

  /** Whether a component changes nothing of the key; parity bits of DES do not count. */
  #isNeutral(component: Uint8Array): boolean {
    const counting = this.plan.algorithm === 'T' ? 0xfe : 0xff
    return component.every((byte) => (byte & counting) === 0)
  }
}

function requireUser(userId: string): void {
  if (userId.trim() === '') throw new MizanError('BAD_INPUT', 'the person who acts must be known')
}
