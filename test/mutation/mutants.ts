import ts from 'typescript'

/** One change of one source file, which a test should see. */
export interface Mutant {
  id: number
  /** From the project's folder, as in `src/tokens/cache.ts`. */
  file: string
  line: number
  column: number
  /** The class and the function, as in `Refreshes.#carryOut`; empty outside of functions. */
  within: string
  original: string
  mutated: string
}

/** A change of one node: the text to show, and the code that runs in its place. */
interface Change {
  original: string
  mutated: string
}

/** A source file in which every mutant is present, each behind a question to the global function `mutantIsOn`. */
export interface Instrumented {
  code: string
  mutants: Mutant[]
}

const removed = '(removed)'

const swapped: Partial<Record<ts.SyntaxKind, string[]>> = {
  [ts.SyntaxKind.EqualsEqualsEqualsToken]: ['!=='],
  [ts.SyntaxKind.ExclamationEqualsEqualsToken]: ['==='],
  [ts.SyntaxKind.LessThanToken]: ['<=', '>='],
  [ts.SyntaxKind.LessThanEqualsToken]: ['<', '>'],
  [ts.SyntaxKind.GreaterThanToken]: ['>=', '<='],
  [ts.SyntaxKind.GreaterThanEqualsToken]: ['>', '<'],
  [ts.SyntaxKind.PlusToken]: ['-'],
  [ts.SyntaxKind.MinusToken]: ['+'],
  [ts.SyntaxKind.AsteriskToken]: ['/'],
  [ts.SyntaxKind.SlashToken]: ['*']
}

/**
 * Makes every mutant of a source file, and the file's text with all of them. One mutant runs at a time, so the changed text of a node holds
 * no other change. `firstId` is the number of the first mutant.
 */
export function instrument (file: string, text: string, firstId = 1): Instrumented {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true)
  const mutants: Mutant[] = []

  const number = (node: ts.Node, { original, mutated }: Change): number => {
    const { line, character } = source.getLineAndCharacterOfPosition(node.getStart(source))
    const id = firstId + mutants.length
    mutants.push({ id, file, line: line + 1, column: character + 1, within: withinOf(node), original: oneLine(original), mutated: oneLine(mutated) })
    return id
  }

  const emit = (node: ts.Node): string => {
    if (isOfTypes(node)) return text.slice(node.pos, node.end)
    const children: ts.Node[] = []
    ts.forEachChild(node, child => { children.push(child) })
    let emitted = ''
    let at = node.pos
    for (const child of children.sort((a, b) => a.pos - b.pos)) {
      emitted += text.slice(at, child.pos) + emit(child)
      at = child.end
    }
    emitted += text.slice(at, node.end)
    const trivia = node.getStart(source) - node.pos
    return emitted.slice(0, trivia) + changed(node, emitted.slice(trivia))
  }

  const changed = (node: ts.Node, emitted: string): string => {
    if (isRemovable(node)) return `{ if (!mutantIsOn(${number(node, { original: node.getText(source), mutated: removed })})) { ${emitted} } }`
    if (ts.isBlock(node) && isBodyWithoutValue(node)) {
      const { parent } = node
      const original = text.slice(parent.getStart(source), node.getStart(source) + 1) + ' … }'
      return `{ if (mutantIsOn(${number(parent, { original, mutated: '{}' })})) return; ${emitted.slice(1)}`
    }
    const changes = changesOf(node, source)
    return changes.length === 0 ? emitted : `(${changes.map(change => `mutantIsOn(${number(node, change)}) ? (${change.mutated}) : `).join('')}${emitted})`
  }

  return { code: emit(source), mutants }
}

/** The changes of an expression. A condition that is always true, and one that is always false, make its negation needless. */
function changesOf (node: ts.Node, source: ts.SourceFile): Change[] {
  const original = node.getText(source)
  const isTest = isCondition(node)
  const mutated: string[] = isTest && !isBoolean(node) ? ['true', 'false'] : []
  if (ts.isBinaryExpression(node)) mutated.push(...changesOfBinary(node, source, isTest))
  if (isBoolean(node) && !ts.isLiteralTypeNode(node.parent)) mutated.push(node.kind === ts.SyntaxKind.TrueKeyword ? 'false' : 'true')
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken && !isTest) mutated.push(node.operand.getText(source))
  if (ts.isCallExpression(node)) {
    const callee = node.expression.getText(source)
    const other = callee === 'Math.min' ? 'Math.max' : callee === 'Math.max' ? 'Math.min' : undefined
    if (other !== undefined) mutated.push(other + original.slice(callee.length))
  }
  return mutated.map(text => ({ original, mutated: text }))
}

function changesOfBinary (node: ts.BinaryExpression, source: ts.SourceFile, isTest: boolean): string[] {
  const { left, right, operatorToken: { kind } } = node
  const textOf = (part: ts.Node) => part.getText(source)
  if (kind === ts.SyntaxKind.QuestionQuestionToken) return [textOf(left), textOf(right)]
  if (isJunction(kind)) {
    // Each operand is left out once. That sees more than the other operator does: where `a` for `a && b` is seen, so is `a || b`.
    const operands = operandsOf(node, kind)
    const isInner = ts.isBinaryExpression(node.parent) && node.parent.operatorToken.kind === kind
    return isInner ? [] : operands.map(one => operands.filter(operand => operand !== one).map(textOf).join(` ${node.operatorToken.getText(source)} `))
  }
  const isText = [left, right].some(part => ts.isStringLiteralLike(part) || ts.isTemplateExpression(part))
  if (kind === ts.SyntaxKind.PlusToken && isText) return []
  const isEquality = kind === ts.SyntaxKind.EqualsEqualsEqualsToken || kind === ts.SyntaxKind.ExclamationEqualsEqualsToken
  if (isEquality && isTest) return []
  const operators = swapped[kind]?.map(operator => `${textOf(left)} ${operator} ${textOf(right)}`) ?? []
  return isEquality && ts.isStringLiteral(right) && right.text !== '' ? [...operators, `${textOf(left)} ${textOf(node.operatorToken)} ''`] : operators
}

function isJunction (kind: ts.SyntaxKind): boolean {
  return kind === ts.SyntaxKind.AmpersandAmpersandToken || kind === ts.SyntaxKind.BarBarToken
}

/** The operands of `a && b && c`, which is a tree. */
function operandsOf (node: ts.Expression, kind: ts.SyntaxKind): ts.Expression[] {
  return ts.isBinaryExpression(node) && node.operatorToken.kind === kind ? [...operandsOf(node.left, kind), ...operandsOf(node.right, kind)] : [node]
}

function isCondition (node: ts.Node): boolean {
  const { parent } = node
  if (parent === undefined) return false
  if (ts.isIfStatement(parent) || ts.isWhileStatement(parent) || ts.isDoStatement(parent)) return parent.expression === node
  return (ts.isConditionalExpression(parent) || ts.isForStatement(parent)) && parent.condition === node
}

function isBoolean (node: ts.Node): boolean {
  return node.kind === ts.SyntaxKind.TrueKeyword || node.kind === ts.SyntaxKind.FalseKeyword
}

/** What leaves no trace in JavaScript, or is another module's. */
function isOfTypes (node: ts.Node): boolean {
  return ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) || ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
}

function isRemovable (node: ts.Node): boolean {
  if (!ts.isExpressionStatement(node) || ts.isStringLiteral(node.expression)) return false
  return !(ts.isCallExpression(node.expression) && node.expression.expression.kind === ts.SyntaxKind.SuperKeyword)
}

/** Whether a block is a function's that returns nothing and does several things: where it does one, to remove that is the same. */
function isBodyWithoutValue (block: ts.Block): boolean {
  const { parent } = block
  if (!ts.isFunctionLike(parent) || ts.isConstructorDeclaration(parent) || block.statements.length < 2) return false
  const returnsValue = (node: ts.Node): boolean =>
    (ts.isReturnStatement(node) && node.expression !== undefined) || (!ts.isFunctionLike(node) && ts.forEachChild(node, returnsValue) === true)
  return !block.statements.some(returnsValue)
}

function withinOf (node: ts.Node): string {
  const names: string[] = []
  for (let at: ts.Node = node; at !== undefined; at = at.parent) {
    if ((ts.isClassDeclaration(at) || ts.isFunctionDeclaration(at) || ts.isMethodDeclaration(at) || ts.isAccessor(at)) && at.name) names.unshift(at.name.getText())
    else if (ts.isConstructorDeclaration(at)) names.unshift('constructor')
  }
  return names.join('.')
}

function oneLine (text: string): string {
  return text.replace(/\s+/g, ' ')
}
