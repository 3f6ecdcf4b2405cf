import { randomUUID } from 'node:crypto'
import { Type } from '@sinclair/typebox'
import { optionsOf, requireOptions } from '../checks/arguments.js'
import { backoff } from '../concurrency/backoff.js'
import { storageFailed } from '../errors.js'
import { requireClient, hasMethod } from './arguments.js'
import type { CloverStorageWithSetup } from './contract.js'
import { fromRow, toDocument } from './document.js'
import { withDurability } from './durability.js'
import { withPlainErrors } from './driver-error.js'
import { pageOf } from './page.js'

/** An item of DynamoDB: `S` is a text, `N` a number as text. */
export type DynamodbItem = Record<string, { S: string } | { N: string }>

/** Where a write applies only if the stored item fits. */
export interface DynamodbCondition {
  ConditionExpression: string
  ExpressionAttributeValues: DynamodbItem
}

/** A page of a table. */
export interface DynamodbScan {
  TableName: string
  ConsistentRead: true
  Limit: number
  ExclusiveStartKey?: DynamodbItem
  FilterExpression?: string
  ExpressionAttributeValues?: DynamodbItem
}

/** A table to make. */
export interface DynamodbTable {
  TableName: string
  AttributeDefinitions: Array<{ AttributeName: string, AttributeType: 'S' }>
  KeySchema: Array<{ AttributeName: string, KeyType: 'HASH' }>
  BillingMode: 'PAY_PER_REQUEST'
}

/** The part of a `DynamoDB` of `@aws-sdk/client-dynamodb` (version 3) that the adapter uses. */
export interface DynamodbClient {
  /** Reads an item. */
  getItem (input: { TableName: string, Key: DynamodbItem, ConsistentRead: true }): Promise<{ Item?: object | undefined }>
  /** Stores an item, if the condition holds. */
  putItem (input: { TableName: string, Item: DynamodbItem } & DynamodbCondition): Promise<unknown>
  /** Deletes an item, if the condition holds; resolves with what it was. */
  deleteItem (input: { TableName: string, Key: DynamodbItem, ReturnValues: 'ALL_OLD' } & Partial<DynamodbCondition>): Promise<{ Attributes?: object | undefined }>
  /** Reads a page of a table. */
  scan (input: DynamodbScan): Promise<{ Items?: object[] | undefined, LastEvaluatedKey?: object | undefined }>
  /** Describes a table; rejects if there is none. */
  describeTable (input: { TableName: string }): Promise<{ Table?: { TableStatus?: string | undefined, KeySchema?: object[] | undefined } | undefined }>
  /** Begins to make a table. */
  createTable (input: DynamodbTable): Promise<unknown>
}

/** The options of `dynamodbStorage`. */
export interface DynamodbStorageOptions {
  /** The table's name: 3 to 255 letters, digits, underscores, hyphens and dots. Default: `clover_installations`. */
  table?: string
}

const Options = optionsOf<DynamodbStorageOptions>({
  table: Type.String({ pattern: '^[A-Za-z0-9_.-]{3,255}$', must: 'a name of 3 to 255 letters, digits, underscores, hyphens and dots' })
})

/** The pauses between two looks at a table that is being made, in milliseconds, and the most looks: a minute in all at least. */
const [pauses, mostLooks] = [{ first: 20, longest: 1_000 }, 120]

/**
 * Keeps installations in a table of the host's DynamoDB, one item for each merchant, through the host's own client. The partition key is `merchantId`, a
 * string.
 *
 * Every read is strongly consistent, so do not give it a replica of a global table in another region. A listing scans the whole table.
 *
 * It is tested against an emulator (dynalite), not against DynamoDB itself.
 *
 * Throws a TypeError for an argument of another type. Does not connect until it is used.
 */
export function dynamodbStorage (client: DynamodbClient, options: DynamodbStorageOptions = {}): CloverStorageWithSetup {
  const methods = ['getItem', 'putItem', 'deleteItem', 'scan', 'describeTable', 'createTable']
  requireClient('dynamodbStorage', methods.every(method => hasMethod(client, method)), 'a DynamoDB of @aws-sdk/client-dynamodb, which has the methods getItem and putItem (not a DynamoDBClient)')
  requireOptions('dynamodbStorage', Options, options)
  const { table: TableName = 'clover_installations' } = options

  async function isReady (): Promise<boolean> {
    const { Table: table } = await client.describeTable({ TableName })
    const keys = JSON.stringify((table?.KeySchema ?? []).map(key => (key as { AttributeName?: string }).AttributeName))
    if (keys !== '["merchantId"]') throw storageFailed('setup', `the table ${TableName} has the key ${keys}, not ["merchantId"]`)
    return table?.TableStatus === 'ACTIVE'
  }

  async function setUp (): Promise<void> {
    const made = await isReady().catch((error: unknown) => {
      if (!isNamed(error, 'ResourceNotFoundException')) throw error
      return undefined
    })
    if (made === undefined) {
      await client.createTable({
        TableName,
        AttributeDefinitions: [{ AttributeName: 'merchantId', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'merchantId', KeyType: 'HASH' }],
        BillingMode: 'PAY_PER_REQUEST'
      }).catch((error: unknown) => {
        if (!isNamed(error, 'ResourceInUseException')) throw error // another server makes it
      })
    }
    for (let looks = 0; !await isReady(); looks++) {
      if (looks === mostLooks) throw storageFailed('setup', `the table ${TableName} is still not active`)
      await new Promise(resolve => { setTimeout(resolve, backoff(pauses, looks, Math.random)) })
    }
  }

  /** Runs a call; if there is no table yet, it is made first. */
  async function ready<T> (call: () => Promise<T>): Promise<T> {
    return await withPlainErrors(async () => {
      try {
        return await call()
      } catch (error) {
        if (!isNamed(error, 'ResourceNotFoundException')) throw error
        await setUp()
        return await call()
      }
    })
  }

  const storage: CloverStorageWithSetup = {
    setup: () => withPlainErrors(setUp),

    get: merchantId => ready(async () => {
      const { Item: item } = await client.getItem({ TableName, Key: { merchantId: { S: merchantId } }, ConsistentRead: true })
      return item && recordOf(item)
    }),

    async put (next, expected) {
      const { merchantId, revision, dueAt } = next
      // The client repeats a call whose answer was lost. By the id the repeated one recognizes its own put, instead of finding another revision.
      const putId = { S: randomUUID() }
      const item: DynamodbItem = {
        merchantId: { S: merchantId },
        revision: { S: revision },
        document: { S: toDocument(next) },
        putId,
        ...(dueAt !== null && { dueAt: { N: String(dueAt) } })
      }
      return await ready(() => client.putItem({
        TableName,
        Item: item,
        ...(expected === undefined
          ? { ConditionExpression: 'attribute_not_exists(merchantId) OR putId = :putId', ExpressionAttributeValues: { ':putId': putId } }
          : { ConditionExpression: 'revision = :expected OR putId = :putId', ExpressionAttributeValues: { ':expected': { S: expected }, ':putId': putId } })
      }).then(() => true, falseIfRefused))
    },

    delete: (merchantId, expected) => ready(() => client.deleteItem({
      TableName,
      Key: { merchantId: { S: merchantId } },
      ReturnValues: 'ALL_OLD',
      ...(expected !== undefined && { ConditionExpression: 'revision = :expected', ExpressionAttributeValues: { ':expected': { S: expected } } })
    }).then(({ Attributes: old }) => old !== undefined, falseIfRefused)),

    list: ({ cursor, limit, dueBefore }) => ready(async () => {
      const { Items: items = [], LastEvaluatedKey: last } = await client.scan({
        TableName,
        ConsistentRead: true,
        Limit: limit,
        ...(cursor !== undefined && { ExclusiveStartKey: { merchantId: { S: cursor } } }),
        ...(dueBefore !== undefined && { FilterExpression: 'dueAt <= :due', ExpressionAttributeValues: { ':due': { N: String(dueBefore) } } })
      })
      return pageOf(items.map(recordOf), last === undefined ? undefined : textOf(last, 'merchantId'))
    })
  }
  return withDurability(storage, async () => ({ store: 'DynamoDB', servers: [] }))
}

function recordOf (item: object) {
  const { dueAt } = item as { dueAt?: { N: string } }
  return fromRow({ revision: textOf(item, 'revision'), dueAt: dueAt?.N ?? null, document: textOf(item, 'document') }, textOf(item, 'merchantId'))
}

function textOf (item: object, name: string): string {
  return (item as Record<string, { S?: string } | undefined>)[name]?.S ?? ''
}

function isNamed (error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name
}

function falseIfRefused (error: unknown): false {
  if (isNamed(error, 'ConditionalCheckFailedException')) return false
  throw error
}
