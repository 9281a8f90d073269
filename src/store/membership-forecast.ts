import type { MembershipLine } from './membership-line.ts'
import type { Known, KnownHousehold, KnownPerson, Plan } from './membership-plan.ts'

/** Changes that are kept in mind: about as many bytes each as a line. Of a longer file the rest is looked at by itself. */
const NOTED_MAX = 500_000

/** What the lines of a file would have changed so far, over what the database knows: a dry run finds what a real one does. */
export class MembershipForecast {
  readonly #made = new Set<string>()
  readonly #households = new Map<number, KnownHousehold>()
  readonly #people = new Map<number, KnownPerson>()
  readonly #heads = new Map<number, number>()
  /** People whom the file enters, by what they are found by; their numbers are below zero. */
  readonly #entered = new Map<string, number>()

  /** What is known with what the file has changed. */
  over(known: Known): Known {
    return {
      households: { get: (id) => this.#households.get(id) ?? known.households.get(id) },
      people: { get: (index) => this.#person(`id ${index}`, known.people.get(index)) },
      members: {
        get: (key) => {
          const person = this.#person(`key ${key}`, known.members.get(key))
          // A key is that of a member; who leaves has none.
          return person?.leavesOn === undefined ? person : undefined
        },
      },
      made: { has: (key) => this.#made.has(key) || known.made.has(key) },
    }
  }

  /**
   * Takes a line as carried out, if it would be.
   * @param index keyed hash of the national ID, latin1
   * @param household as it was before
   */
  note(
    { event, householdId, memberKey }: MembershipLine,
    plan: Plan,
    {
      lineKey,
      index,
      household,
    }: { lineKey: string; index: string | undefined; household: KnownHousehold | undefined },
  ): void {
    if (plan.kind === 'repeated' || plan.kind === 'rejected' || household === undefined) return
    if (this.#made.size >= NOTED_MAX) return
    this.#made.add(lineKey)
    const isNamed = event === 'added' || plan.personId !== undefined
    const by = event === 'added' ? 1 : event === 'removed' && isNamed ? -1 : 0
    this.#households.set(householdId, { ...household, terms: plan.terms, registered: household.registered + by })
    if (event === 'added') {
      const id = plan.personId ?? -1 - this.#entered.size
      if (index !== undefined) this.#entered.set(`id ${index}`, id)
      if (memberKey !== undefined) this.#entered.set(`key ${householdId} ${memberKey}`, id)
      this.#people.set(id, { id, householdId, role: 'member', leavesOn: undefined })
    } else if (plan.personId !== undefined) {
      const { personId: id } = plan
      this.#people.set(id, { id, householdId, role: 'member', leavesOn: event === 'removed' ? plan.from : undefined })
      if (event === 'head-changed') this.#heads.set(householdId, id)
    }
  }

  #person(name: string, known: KnownPerson | undefined): KnownPerson | undefined {
    const id = known?.id ?? this.#entered.get(name)
    const person = id === undefined ? known : (this.#people.get(id) ?? known)
    const head = this.#heads.get(person?.householdId ?? 0)
    return person === undefined || head === undefined
      ? person
      : { ...person, role: head === person.id ? 'head' : 'member' }
  }
}
