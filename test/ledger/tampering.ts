import { batchHash } from '../../src/store/batch-hash.ts'
import { byteaArray, int8Array } from '../../src/store/binary-arrays.ts'
import type { Client } from '../../src/store/connection.ts'
import { readBatches } from '../../src/store/verify/journal-reader.ts'

/** Makes the chain fit the journal as it is, as somebody with all rights would after changing rows. */
export async function reseal(client: Client): Promise<void> {
  const { rows: lanes } = await client.query<{ lane: number }>('select distinct lane from batch')
  for (const { lane } of lanes) {
    let previous: Buffer = Buffer.alloc(32)
    const seqs: number[] = []
    const hashes: string[] = []
    for await (const { content } of readBatches(client, lane)) {
      previous = batchHash(previous, content)
      seqs.push(content.seq)
      hashes.push(previous.toString('latin1'))
    }
    await client.query(
      `update batch b set hash = n.hash from unnest($2::bigint[], $3::bytea[]) n(seq, hash)
       where b.lane = $1 and b.seq = n.seq`,
      [lane, int8Array(seqs), byteaArray(hashes)],
    )
    await client.query('update lane set last_hash = $2 where lane = $1', [lane, previous])
  }
}

/** Makes the balances fit the journal as it is. */
export async function refold(client: Client): Promise<void> {
  await client.query(`
    alter table balance drop constraint if exists balance_allowed;
    delete from balance;
    insert into balance (lane, household_id, account, period, posted, held, batch_seq)
      select lane, case when account / 100000000000000 in (1, 6, 9) or account / 100000000000 = 8004 then account % 100000000000 else 0 end, account, period,
             sum(posted), sum(held), 1 from (
        select lane, debit as account, case when debit / 100000000000000 = 1 then period else 0 end as period,
               -amount as posted, 0 as held from transfer
        union all
        select lane, credit, case when credit / 100000000000000 = 1 then period else 0 end, amount, 0 from transfer
        union all
        select lane, debit, 0, 0, amount from hold
        union all
        select h.lane, h.debit, 0, 0, -e.captured - e.released from hold_event e join hold h using (lane, id)
      ) e group by 1, 2, 3, 4`)
}

/** Takes away what the database itself has against forged rows. */
export async function disarm(client: Client): Promise<void> {
  await client.query(`
    alter table transfer drop constraint transfer_posting_allowed;
    alter table transfer drop constraint if exists transfer_well_formed;
    drop trigger transfer_restoration on transfer;
    drop trigger command_inbox_once on command_inbox;
    alter table hold_event drop constraint hold_event_id_lane_fkey;
    alter table hold_event drop constraint hold_event_amounts;
    drop index hold_event_ending;
    drop index authorization_dedupe`)
}
