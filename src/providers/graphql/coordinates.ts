/** Whether a schema has a field, by its coordinate. Looks at the schema only, not at what Valetkey knows of it. */
import { isInterfaceType, isObjectType } from 'graphql'
import type { Catalogue } from './catalogue.ts'

export function hasField(catalogue: Catalogue, coordinate: string): boolean {
  const [typeName, fieldName, ...rest] = coordinate.split('.')
  if (typeName === undefined || fieldName === undefined || rest.length > 0) return false
  const type = catalogue.schema.getType(typeName)
  if (!isObjectType(type) && !isInterfaceType(type)) return false
  return Object.hasOwn(type.getFields(), fieldName)
}
