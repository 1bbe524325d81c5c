"""Thing groups, static and dynamic, and billing groups."""

from control import ARN, UUID, recent
from wire import check, equal, fails, has, pages


def names(groups):
    return sorted(g['groupName'] for g in groups)


@check
def groups(aws):
    iot = aws.iot
    made = iot.create_thing_group(thingGroupName='plant', thingGroupProperties={'thingGroupDescription': 'all', 'attributePayload': {'attributes': {'a': '1'}}})
    has(made, thingGroupName='plant', thingGroupArn=ARN + 'thinggroup/plant')
    assert UUID.fullmatch(made['thingGroupId']), made
    iot.create_thing_group(thingGroupName='hall', parentGroupName='plant')
    iot.create_thing_group(thingGroupName='hall', parentGroupName='plant')
    fails(iot.exceptions.ResourceAlreadyExistsException, iot.create_thing_group, thingGroupName='hall')
    iot.create_thing_group(thingGroupName='line', parentGroupName='hall')
    fails(iot.exceptions.InvalidRequestException, iot.create_thing_group, thingGroupName='orphan', parentGroupName='nothing')

    is_ = iot.describe_thing_group(thingGroupName='plant')
    has(is_, thingGroupId=made['thingGroupId'], version=1, thingGroupProperties={'thingGroupDescription': 'all', 'attributePayload': {'attributes': {'a': '1'}}})
    recent(is_['thingGroupMetadata']['creationDate'])
    metadata = iot.describe_thing_group(thingGroupName='line')['thingGroupMetadata']
    equal(metadata['parentGroupName'], 'hall')
    equal(metadata['rootToParentThingGroups'], [{'groupName': n, 'groupArn': ARN + 'thinggroup/' + n} for n in ('plant', 'hall')])

    equal(iot.update_thing_group(thingGroupName='plant', thingGroupProperties={'attributePayload': {'attributes': {'b': '2'}, 'merge': True}}, expectedVersion=1)['version'], 2)
    is_ = iot.describe_thing_group(thingGroupName='plant')
    has(is_, version=2, thingGroupProperties={'thingGroupDescription': 'all', 'attributePayload': {'attributes': {'a': '1', 'b': '2'}}})
    fails(iot.exceptions.VersionConflictException, iot.update_thing_group, thingGroupName='plant', thingGroupProperties={}, expectedVersion=1)

    equal(names(pages(iot, 'list_thing_groups', 'thingGroups', 1, parentGroup='plant', recursive=False)), ['hall'])
    equal(names(pages(iot, 'list_thing_groups', 'thingGroups', 1, parentGroup='plant')), ['hall', 'line'])
    equal(names(pages(iot, 'list_thing_groups', 'thingGroups', 1, parentGroup='plant', recursive=True)), ['hall', 'line'])
    equal(names(pages(iot, 'list_thing_groups', 'thingGroups', namePrefixFilter='pla')), ['plant'])
    found = names(pages(iot, 'list_thing_groups', 'thingGroups', recursive=False))
    assert 'plant' in found and 'hall' not in found, found
    fails(iot.exceptions.ResourceNotFoundException, iot.list_thing_groups, parentGroup='nothing')

    fails(iot.exceptions.InvalidRequestException, iot.delete_thing_group, thingGroupName='plant')
    fails(iot.exceptions.VersionConflictException, iot.delete_thing_group, thingGroupName='line', expectedVersion=7)
    for name in ('line', 'hall', 'plant', 'never-was'):
        iot.delete_thing_group(thingGroupName=name)
    fails(iot.exceptions.ResourceNotFoundException, iot.describe_thing_group, thingGroupName='plant')


@check
def groups_members(aws):
    iot = aws.iot
    iot.create_thing_group(thingGroupName='top')
    for name in ('left', 'right'):
        iot.create_thing_group(thingGroupName=name, parentGroupName='top')
    for i in range(5):
        iot.create_thing(thingName=f'member-{i}')
    iot.add_thing_to_thing_group(thingGroupName='left', thingName='member-0')
    iot.add_thing_to_thing_group(thingGroupName='left', thingName='member-0')
    iot.add_thing_to_thing_group(thingGroupArn=ARN + 'thinggroup/left', thingArn=ARN + 'thing/member-1')
    for i in (2, 3, 4):
        iot.add_thing_to_thing_group(thingGroupName='right', thingName=f'member-{i}')
    fails(iot.exceptions.InvalidRequestException, iot.add_thing_to_thing_group, thingGroupName='right', thingName='member-0')
    fails(iot.exceptions.ResourceNotFoundException, iot.add_thing_to_thing_group, thingGroupName='right', thingName='nobody')
    fails(iot.exceptions.ResourceNotFoundException, iot.add_thing_to_thing_group, thingGroupName='nothing', thingName='member-0')
    fails(iot.exceptions.InvalidRequestException, iot.add_thing_to_thing_group, thingName='member-0')

    def members(group, **more):
        return sorted(pages(iot, 'list_things_in_thing_group', 'things', thingGroupName=group, **more))

    equal(members('right'), ['member-2', 'member-3', 'member-4'])
    equal(members('top'), [])
    equal(members('top', recursive=True), [f'member-{i}' for i in range(5)])
    equal(names(pages(iot, 'list_thing_groups_for_thing', 'thingGroups', thingName='member-1')), ['left'])
    fails(iot.exceptions.ResourceNotFoundException, iot.list_things_in_thing_group, thingGroupName='nothing')
    fails(iot.exceptions.ResourceNotFoundException, iot.list_thing_groups_for_thing, thingName='nobody')

    iot.update_thing_groups_for_thing(thingName='member-1', thingGroupsToAdd=['right'], thingGroupsToRemove=['left'])
    equal(members('left'), ['member-0'])
    iot.remove_thing_from_thing_group(thingGroupName='right', thingName='member-1')
    iot.remove_thing_from_thing_group(thingGroupName='right', thingName='member-1')
    equal(iot.list_thing_groups_for_thing(thingName='member-1')['thingGroups'], [])


@check
def groups_dynamic(aws):
    iot = aws.iot
    iot.update_indexing_configuration(thingIndexingConfiguration={'thingIndexingMode': 'REGISTRY'})
    for i in range(4):
        iot.create_thing(thingName=f'dyn-{i}', attributePayload={'attributes': {'floor': str(i)}})
    made = iot.create_dynamic_thing_group(thingGroupName='upstairs', queryString='thingName:dyn-* AND attributes.floor>1')
    has(made, thingGroupName='upstairs', thingGroupArn=ARN + 'thinggroup/upstairs', indexName='AWS_Things', queryVersion='2017-09-30',
        queryString='thingName:dyn-* AND attributes.floor>1')

    def members():
        return sorted(pages(iot, 'list_things_in_thing_group', 'things', thingGroupName='upstairs'))

    equal(members(), ['dyn-2', 'dyn-3'])
    iot.update_thing(thingName='dyn-0', attributePayload={'attributes': {'floor': '9'}})
    equal(members(), ['dyn-0', 'dyn-2', 'dyn-3'])
    equal(names(iot.list_thing_groups_for_thing(thingName='dyn-0')['thingGroups']), ['upstairs'])
    equal(iot.update_dynamic_thing_group(thingGroupName='upstairs', thingGroupProperties={'thingGroupDescription': 'high'},
                                         queryString='thingName:dyn-* AND attributes.floor>8')['version'], 2)
    equal(members(), ['dyn-0'])
    is_ = iot.describe_thing_group(thingGroupName='upstairs')
    has(is_, queryString='thingName:dyn-* AND attributes.floor>8', status='ACTIVE', version=2, thingGroupProperties={'thingGroupDescription': 'high'})
    fails(iot.exceptions.InvalidRequestException, iot.add_thing_to_thing_group, thingGroupName='upstairs', thingName='dyn-1')
    fails(iot.exceptions.InvalidQueryException, iot.create_dynamic_thing_group, thingGroupName='bad', queryString='thingName:dyn-* AND')
    fails(iot.exceptions.InvalidQueryException, iot.update_dynamic_thing_group, thingGroupName='upstairs', thingGroupProperties={}, queryString='(')
    fails(iot.exceptions.VersionConflictException, iot.delete_dynamic_thing_group, thingGroupName='upstairs', expectedVersion=1)
    iot.delete_dynamic_thing_group(thingGroupName='upstairs', expectedVersion=2)
    fails(iot.exceptions.ResourceNotFoundException, iot.describe_thing_group, thingGroupName='upstairs')


@check
def billing_groups(aws):
    iot = aws.iot
    made = iot.create_billing_group(billingGroupName='sales', billingGroupProperties={'billingGroupDescription': 'who pays'})
    has(made, billingGroupName='sales', billingGroupArn=ARN + 'billinggroup/sales')
    fails(iot.exceptions.ResourceAlreadyExistsException, iot.create_billing_group, billingGroupName='sales')
    iot.create_billing_group(billingGroupName='salaries')
    is_ = iot.describe_billing_group(billingGroupName='sales')
    has(is_, billingGroupId=made['billingGroupId'], version=1, billingGroupProperties={'billingGroupDescription': 'who pays'})
    recent(is_['billingGroupMetadata']['creationDate'])
    equal(iot.update_billing_group(billingGroupName='sales', billingGroupProperties={'billingGroupDescription': 'they'})['version'], 2)
    fails(iot.exceptions.VersionConflictException, iot.update_billing_group, billingGroupName='sales', billingGroupProperties={}, expectedVersion=1)
    equal(names(pages(iot, 'list_billing_groups', 'billingGroups', 1, namePrefixFilter='sal')), ['salaries', 'sales'])

    for i in range(3):
        iot.create_thing(thingName=f'paid-{i}', **({'billingGroupName': 'sales'} if i == 0 else {}))
    iot.add_thing_to_billing_group(billingGroupName='sales', thingName='paid-1')
    iot.add_thing_to_billing_group(billingGroupArn=made['billingGroupArn'], thingArn=ARN + 'thing/paid-2')
    equal(sorted(pages(iot, 'list_things_in_billing_group', 'things', billingGroupName='sales')), ['paid-0', 'paid-1', 'paid-2'])
    has(iot.describe_thing(thingName='paid-1'), billingGroupName='sales')
    iot.remove_thing_from_billing_group(billingGroupName='sales', thingName='paid-1')
    assert 'billingGroupName' not in iot.describe_thing(thingName='paid-1')
    fails(iot.exceptions.ResourceNotFoundException, iot.add_thing_to_billing_group, billingGroupName='nothing', thingName='paid-1')
    fails(iot.exceptions.ResourceNotFoundException, iot.list_things_in_billing_group, billingGroupName='nothing')
    fails(iot.exceptions.VersionConflictException, iot.delete_billing_group, billingGroupName='sales', expectedVersion=1)
    iot.delete_billing_group(billingGroupName='sales', expectedVersion=2)
    fails(iot.exceptions.ResourceNotFoundException, iot.describe_billing_group, billingGroupName='sales')
