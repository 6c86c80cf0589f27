import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseAst } from 'vitest/node'

/** One file as the checkers see it: `path` is relative to the project, with forward slashes. */
export type SourceFile = { readonly path: string; readonly text: string }

type Import = {
  /** Undefined when it is computed at run time. */
  readonly specifier: string | undefined
  /** What is taken from the module; `*` is all of it. */
  readonly names: readonly string[]
  readonly line: number
}

/** A name with its place: a declaration, or a global or static method that is read. */
type Named = { readonly name: string; readonly line: number }

export type Facts = {
  readonly imports: readonly Import[]
  /** Top-level and nested declarations of functions, classes, types and variables. */
  readonly declared: readonly Named[]
  /** Free names that are read (`process`), static members (`Date.now`), and constructions without arguments (`new Date()`). */
  readonly uses: readonly Named[]
}

/** Every TypeScript file under `folders` of the project, in order of path. */
export function readSources(...folders: string[]): SourceFile[] {
  const root = join(import.meta.dirname, '../..')
  return folders
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => ({
      path: relative(root, path).replaceAll('\\', '/'),
      text: readFileSync(path, 'utf8'),
    }))
}

/** The files that may touch sockets, files, timers, the wall clock or randomness. */
export function isIoFile(path: string): boolean {
  const inIoFolder = /^src\/(node|cli)\//.test(path)
  return inIoFolder || /[/.](http|tcp|disk|driver|process)\.ts$/.test(path)
}

/** What a file imports, declares and uses, read from its syntax tree. */
export function factsOf(file: SourceFile): Facts {
  const found = { imports: [] as Import[], declared: [] as Named[], uses: [] as Named[] }
  const bindings = new Set<string>()
  const lineOf = (node: Node) => file.text.slice(0, node.start).split('\n').length

  const visit = (node: Node, inType: boolean) => {
    const line = lineOf(node)
    const imported = importOf(node)
    if (imported !== undefined) found.imports.push({ ...imported, line })
    for (const name of bindingsOf(node)) bindings.add(name)
    const declared = DECLARATIONS.has(node.type) ? nameOf(node['id']) : undefined
    if (declared !== undefined) found.declared.push({ name: declared, line })
    const used = inType ? undefined : useOf(node)
    if (used !== undefined) found.uses.push({ name: used, line })
    for (const [key, child] of childrenOf(node)) visit(child, inType || TYPE_KEYS.has(key))
  }
  const program = parseAst(file.text, { lang: 'ts' }, file.path)
  for (const [, child] of childrenOf(program as unknown as Node)) visit(child, false)

  const isFree = (name: string) => !bindings.has(name.replace(/^new /, '').split(/[.(]/)[0] ?? '')
  return { ...found, uses: found.uses.filter((use) => isFree(use.name)) }
}

type Node = { readonly type: string; readonly start: number; readonly [key: string]: unknown }

const DECLARATIONS = new Set([
  'FunctionDeclaration',
  'ClassDeclaration',
  'TSTypeAliasDeclaration',
  'TSInterfaceDeclaration',
  'VariableDeclarator',
])

/** Below these keys there are types, which vanish. */
const TYPE_KEYS = new Set(['typeAnnotation', 'typeArguments', 'typeParameters', 'returnType'])

function childrenOf(node: Node): [string, Node][] {
  return Object.entries(node).flatMap(([key, value]) =>
    (Array.isArray(value) ? value : [value]).filter(isNode).map((child): [string, Node] => {
      const isLabel = (key === 'property' || key === 'key') && node['computed'] !== true
      return [key, isLabel && child.type === 'Identifier' ? { ...child, type: 'Label' } : child]
    }),
  )
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value
}

function nameOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined
  const name = node['name'] ?? node['value']
  return typeof name === 'string' ? name : undefined
}

function importOf(node: Node): { specifier: string | undefined; names: string[] } | undefined {
  const source = node['source']
  const specifier = isNode(source) && source.type === 'Literal' ? nameOf(source) : undefined
  if (node.type === 'ImportDeclaration' || node.type === 'ExportNamedDeclaration') {
    if (!isNode(source)) return undefined
    const specifiers = (node['specifiers'] as Node[] | undefined) ?? []
    const names = specifiers.map((one) => {
      if (one.type === 'ImportNamespaceSpecifier') return '*'
      if (one.type === 'ImportDefaultSpecifier') return 'default'
      return nameOf(one['imported'] ?? one['local']) ?? '*'
    })
    return { specifier, names }
  }
  if (node.type === 'ExportAllDeclaration' || node.type === 'ImportExpression') {
    return { specifier, names: ['*'] }
  }
  if (node.type === 'TSImportType') return { specifier, names: ['*'] }
  return undefined
}

function bindingsOf(node: Node): string[] {
  const targets = [node['id'], node['local'], ...((node['params'] as unknown[] | undefined) ?? [])]
  return targets.filter(isNode).flatMap(namesInPattern)
}

function namesInPattern(node: Node): string[] {
  if (node.type === 'Identifier') return [nameOf(node) ?? '']
  const inner = [node['properties'], node['elements'], node['value'], node['left']].flat()
  return inner.concat(node['argument']).filter(isNode).flatMap(namesInPattern)
}

function useOf(node: Node): string | undefined {
  const callee = nameOf(node['callee'])
  const isBare = Array.isArray(node['arguments']) && node['arguments'].length === 0
  if (node.type === 'NewExpression' && callee !== undefined && isBare) return `new ${callee}()`
  if (node.type === 'CallExpression' && callee !== undefined) return `${callee}()`
  if (node.type === 'MemberExpression' && nameOf(node['object']) !== undefined) {
    return `${nameOf(node['object'])}.${nameOf(node['property'])}`
  }
  return node.type === 'Identifier' ? nameOf(node) : undefined
}
