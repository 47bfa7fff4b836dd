#!/usr/bin/env bash
# The guide's own commands for the data, with the servers' addresses as arguments and without their output.
# Usage: guide.sh FOLDER COCO_URL LVIS_URL
set -euo pipefail
cd "$1"
coco=$2
lvis=$3
{
mkdir data
cd data
mkdir coco
cd coco
wget "$coco/zips/train2017.zip"
wget "$coco/zips/val2017.zip"
wget "$coco/annotations/annotations_trainval2017.zip"
for u in `ls *zip`; do unzip $u; done
rm -rf *zip
cd ..
mkdir lvis_v1
cd lvis_v1
ln -s ../coco/train2017/ .
ln -s ../coco/val2017/
wget "$lvis/LVIS/lvis_v1_train.json.zip"
wget "$lvis/LVIS/lvis_v1_val.json.zip"
for u in `ls *zip`; do unzip $u; done
rm -rf *zip
mkdir annotations
mv lvis_v1_* annotations/
cd ../..
} > /dev/null 2>&1
sync
