/**
 * Parses and validates a GraphQL document within bounds and splits it into the operations it holds, each re-printed on
 * its own. What is judged and what is sent both come from the same parsed operation. Never executes anything.
 */
import {
  type DefinitionNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  Lexer,
  type OperationDefinitionNode,
  OperationTypeNode,
  parse,
  print,
  recommendedRules,
  type SelectionSetNode,
  Source,
  specifiedRules,
  TokenKind,
  validate,
  visit,
} from 'graphql'
import { BrokerError } from '../../errors.ts'
import { type Catalogue, rootRule } from './catalogue.ts'

/** One operation of a document, with the fragments it uses. */
export type Operation = {
  kind: 'query' | 'mutation'
  name: string | null
  node: OperationDefinitionNode
  fragments: ReadonlyMap<string, FragmentDefinitionNode>
  /** The operation and its fragments as they would be sent. */
  canonical: string
}

export type Document = { operations: readonly Operation[]; size: number }

export const bounds = {
  characters: 100_000,
  tokens: 10_000,
  nesting: 100,
  operations: 10,
  fragments: 100,
  depth: 32,
  fields: 1_000,
  /** Of fields with one key in one place: validation compares them in pairs. */
  repeats: 50,
} as const

const rules = [...new Set([...specifiedRules, ...recommendedRules])]

/** Remembered by text: the same document is parsed and validated once per schema. */
export function readDocument(catalogue: Catalogue, text: string): Document {
  const known = catalogue.documents.get(text)
  if (known !== undefined) return known
  if (text.length > bounds.characters) {
    throw malformed(`it has more than ${bounds.characters} characters; variables may have more`)
  }
  countTokens(text)
  const ast = parseBounded(text)
  const fragments = new Map<string, FragmentDefinitionNode>()
  const definitions: OperationDefinitionNode[] = []
  for (const definition of ast.definitions) {
    refuseStrange(definition)
    if (definition.kind === Kind.OPERATION_DEFINITION) definitions.push(definition)
    else if (definition.kind === Kind.FRAGMENT_DEFINITION) {
      fragments.set(definition.name.value, definition)
    } else throw malformed('it defines types, and only operations and fragments can be sent')
  }
  if (definitions.length === 0) throw malformed('it holds no operation')
  refuseMany('operations', definitions.length)
  refuseMany('fragments', ast.definitions.length - definitions.length)
  const used = new Set<string>()
  for (const definition of definitions) {
    countFields(definition.selectionSet, fragments, used)
    if (definition.operation === OperationTypeNode.SUBSCRIPTION) {
      throw subscription(catalogue, definition)
    }
  }
  // Nothing has counted what is in such a fragment, and validation would take its time over it.
  const unused = [...fragments.keys()].find((name) => !used.has(name))
  if (unused !== undefined) throw malformed(`nothing uses its fragment ${unused.slice(0, 60)}`)
  assertValid(catalogue, ast)
  const document = {
    operations: definitions.map((node) => operationOf(node, fragments)),
    size: text.length + 1,
  }
  catalogue.documents.set(text, document)
  return document
}

function operationOf(
  node: OperationDefinitionNode,
  all: ReadonlyMap<string, FragmentDefinitionNode>,
): Operation {
  const fragments = new Map<string, FragmentDefinitionNode>()
  gather(node.selectionSet, all, fragments)
  return {
    kind: node.operation === OperationTypeNode.MUTATION ? 'mutation' : 'query',
    name: node.name?.value ?? null,
    node,
    fragments,
    canonical: print({ kind: Kind.DOCUMENT, definitions: [node, ...fragments.values()] }),
  }
}

/** The fragments that a selection reaches. Cycles ended at `countFields`, which ran before. */
function gather(
  set: SelectionSetNode,
  all: ReadonlyMap<string, FragmentDefinitionNode>,
  into: Map<string, FragmentDefinitionNode>,
): void {
  for (const selection of set.selections) {
    if (selection.kind === Kind.FRAGMENT_SPREAD) {
      const fragment = all.get(selection.name.value)
      if (fragment === undefined || into.has(selection.name.value)) continue
      into.set(selection.name.value, fragment)
      gather(fragment.selectionSet, all, into)
    } else if (selection.selectionSet !== undefined) gather(selection.selectionSet, all, into)
  }
}

/** Before the parser, which recurses: it overflows the stack at a few thousand levels. */
function countTokens(text: string): void {
  const lexer = new Lexer(new Source(text))
  let tokens = 0
  let nesting = 0
  for (;;) {
    const { kind } = syntax(() => lexer.advance())
    if (kind === TokenKind.EOF) return
    tokens += 1
    if (tokens > bounds.tokens) throw malformed(`it has more than ${bounds.tokens} tokens`)
    if (kind === TokenKind.BRACE_L || kind === TokenKind.BRACKET_L || kind === TokenKind.PAREN_L) {
      nesting += 1
      if (nesting > bounds.nesting) {
        throw malformed(`it is nested deeper than ${bounds.nesting} brackets`)
      }
    } else if (
      kind === TokenKind.BRACE_R ||
      kind === TokenKind.BRACKET_R ||
      kind === TokenKind.PAREN_R
    ) {
      nesting -= 1
    }
  }
}

function parseBounded(text: string) {
  return syntax(() => parse(text, { noLocation: true, maxTokens: bounds.tokens + 1 }))
}

const knownDirectives = new Set(['skip', 'include'])

/**
 * What another directive does, only its server knows; it may change what runs. And a server that keeps variables in a
 * plain object loses one that is called `__proto__`, so that what was judged as given would not be.
 */
function refuseStrange(definition: DefinitionNode): void {
  visit(definition, {
    Directive: ({ name }) => {
      if (!knownDirectives.has(name.value)) {
        throw malformed(
          `it has the directive @${name.value.slice(0, 60)}, and only @skip and @include are known`,
        )
      }
    },
    VariableDefinition: ({ variable }) => {
      const name = variable.name.value
      if (name.startsWith('__')) {
        throw malformed(`its variable $${name.slice(0, 60)} begins with two underscores`)
      }
    },
  })
}

/**
 * Counts fields as an executor would meet them, fragments expanded each time they are spread: a small document can unfold
 * into billions. Also ends fragment cycles, by depth.
 */
function countFields(
  root: SelectionSetNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  used: Set<string>,
): void {
  let fields = 0
  const count = (set: SelectionSetNode, depth: number, place: Place): void => {
    if (depth > bounds.depth) throw malformed(`it selects deeper than ${bounds.depth} levels`)
    for (const selection of set.selections) {
      fields += 1
      if (fields > bounds.fields) throw malformed(`it selects more than ${bounds.fields} fields`)
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const name = selection.name.value
        used.add(name)
        const fragment = fragments.get(name)
        if (fragment !== undefined) count(fragment.selectionSet, depth + 1, place)
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        count(selection.selectionSet, depth + 1, place)
      } else {
        const below = enter(place, (selection.alias ?? selection.name).value)
        if (selection.selectionSet !== undefined) count(selection.selectionSet, depth + 1, below)
      }
    }
  }
  count(root, 0, { times: 0, below: new Map() })
}

/** A place in the answer, and how many fields of the document would be merged there. */
type Place = { times: number; below: Map<string, Place> }

function enter({ below }: Place, key: string): Place {
  const place = below.get(key) ?? { times: 0, below: new Map() }
  below.set(key, place)
  place.times += 1
  if (place.times > bounds.repeats) {
    throw malformed(`it selects the same more than ${bounds.repeats} times in one place`)
  }
  return place
}

function refuseMany(what: 'operations' | 'fragments', count: number): void {
  if (count > bounds[what]) throw malformed(`it has more than ${bounds[what]} ${what}`)
}

function assertValid(catalogue: Catalogue, ast: ReturnType<typeof parse>): void {
  const [error] = validate(catalogue.schema, ast, rules, { maxErrors: 1 })
  if (error === undefined) return
  if (/^Cannot query field/.test(error.message)) {
    throw new BrokerError('unknown-operation', clean(error.message), {
      hint: 'The broker knows the API by its schema, which an operator renews with `valetkey provider refresh`; ask for it with __type to see what there is.',
    })
  }
  // graphql-js compares fields and fragments in pairs, and gives up where that would take long.
  if (error.message === 'Validation aborted.')
    throw malformed('it selects the same fields too often')
  throw malformed(clean(error.message).replace(/\.$/, ''))
}

/** Named only where it is known: an invented name would stand in the audit log, at any length, as an operation. */
function subscription(catalogue: Catalogue, node: OperationDefinitionNode): BrokerError {
  const [first] = node.selectionSet.selections
  const name = first?.kind === Kind.FIELD ? `Subscription.${first.name.value}` : null
  const known = name !== null && rootRule(catalogue, name) !== undefined
  return new BrokerError(
    'unknown-operation',
    `${known ? name : 'A subscription'} cannot be sent: the broker relays no subscriptions.`,
    { ...(known ? { operation: name } : {}), hint: 'Poll the query of the same name instead.' },
  )
}

/** Lexer, parser and printer fail with a GraphQLError, or with a RangeError when the stack ends. */
function syntax<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (error instanceof GraphQLError) throw malformed(clean(error.message).replace(/\.$/, ''))
    if (error instanceof RangeError) throw malformed('it is nested too deeply')
    throw error
  }
}

/** A library's message may quote the document; a long one is cut so that it stays a sentence. */
function clean(message: string): string {
  const line = message.replaceAll(/\s+/g, ' ')
  return line.length > 300 ? `${line.slice(0, 300)}…` : line
}

function malformed(why: string): BrokerError {
  return new BrokerError('malformed-request', `The GraphQL document cannot be taken: ${why}.`, {
    hint: 'Send one valid document for this API.',
  })
}
