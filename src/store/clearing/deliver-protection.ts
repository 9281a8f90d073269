import type { Queryable } from '../access-pool.ts'

/** What protects a file, as it was written. */
export interface FileProtection {
  readonly fileId: number
  readonly signatureName: string
  readonly signatureSha256: Buffer
  /** Number of our key. */
  readonly signedBy: number
  /** Undefined of a file that goes out in clear. */
  readonly encrypted:
    | { readonly name: string; readonly bytes: number; readonly sha256: Buffer; readonly keys: readonly number[] }
    | undefined
}

interface ProtectionRow {
  readonly file_id: string
  readonly signature_name: string
  readonly signature_sha256: Buffer
  readonly signed_by: string
  readonly encrypted_name: string | null
  readonly encrypted_bytes: string | null
  readonly encrypted_sha256: Buffer | null
  readonly encrypted_for: string[] | null
}

/** What protects a file; undefined before it was signed. */
export async function readProtection(client: Queryable, fileId: number): Promise<FileProtection | undefined> {
  const { rows } = await client.query<ProtectionRow>(
    `select file_id, signature_name, signature_sha256, signed_by, encrypted_name, encrypted_bytes, encrypted_sha256, encrypted_for
     from clearing_protection where file_id = $1`,
    [fileId],
  )
  const [row] = rows
  if (row === undefined) return undefined
  const { encrypted_name: name, encrypted_sha256: sha256, encrypted_for: keys } = row
  return {
    fileId: Number(row.file_id),
    signatureName: row.signature_name,
    signatureSha256: row.signature_sha256,
    signedBy: Number(row.signed_by),
    encrypted:
      name === null || sha256 === null
        ? undefined
        : { name, bytes: Number(row.encrypted_bytes), sha256, keys: (keys ?? []).map(Number) },
  }
}

/** Notes what protects a file; it is made once, so what stands there stays. */
export async function saveProtection(client: Queryable, made: FileProtection): Promise<void> {
  const { encrypted } = made
  await client.query(
    `insert into clearing_protection (file_id, signature_name, signature_sha256, signed_by, encrypted_name, encrypted_bytes,
       encrypted_sha256, encrypted_for)
     values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
    [
      made.fileId,
      made.signatureName,
      made.signatureSha256,
      made.signedBy,
      encrypted?.name ?? null,
      encrypted?.bytes ?? null,
      encrypted?.sha256 ?? null,
      encrypted?.keys ?? null,
    ],
  )
}

/** Notes the signature that takes the place of one whose key is not in use any more; the database refuses any other. */
export async function replaceSignature(
  client: Queryable,
  { fileId, signatureSha256, signedBy }: Pick<FileProtection, 'fileId' | 'signatureSha256' | 'signedBy'>,
): Promise<void> {
  await client.query(
    'update clearing_protection set signature_sha256 = $2, signed_by = $3, made_at = clock_timestamp() where file_id = $1',
    [fileId, signatureSha256, signedBy],
  )
}
