"""Words of shops in Chinese and English: colours, clothes, materials, things of the house, parts and occasions.

A small dictionary, so that 红色连衣裙 finds an English catalogue's red dresses by words alone. It holds what most shops
sell and no more; a shop adds its own words, and what neither knows is left to a multilingual encoder.
"""

from functools import cache

from mmreco.text.stemming import stem

__all__ = ["alike"]

# A group a line: Chinese words, then English ones; each stands for all others of its line.
_GROUPS = """
红色 大红色 红 大红: red scarlet crimson
蓝色 宝蓝色 天蓝色 蓝: blue navy azure
藏青色 深蓝色: navy
绿色 墨绿色 军绿色 绿: green emerald olive
黄色 姜黄色 黄: yellow mustard
黑色 纯黑色 黑: black
白色 米白色 白: white ivory
粉色 粉红色 粉红: pink rose
玫瑰: rose
紫色 紫罗兰色 紫: purple violet lilac lavender
橙色 橘色 橘红色: orange
灰色 灰: grey gray
棕色 咖啡色 褐色: brown
米色 杏色: beige cream ivory
金色: gold golden
银色: silver
卡其色 卡其: khaki
彩色 多色: colourful multicolor multicolour colorful
透明: transparent clear
纯色 素色: plain solid
条纹: striped stripe stripes
波点 圆点: dotted dot dots polka
格子 格纹: checked plaid check gingham
碎花 花卉: floral flower
印花: floral print printed
豹纹: leopard
迷彩: camouflage camo
休闲: casual everyday
日常: everyday casual daily
正式: formal
优雅: elegant
运动: sport sports sporty active
活力: active sporty
复古 怀旧: vintage retro
经典: classic
时尚: fashion fashionable
可爱: cute lovely
性感: sexy
简约: minimalist simple
豪华 奢华: luxury deluxe
民族风: ethnic boho
宽松: loose oversized
修身: slim fitted
加厚: thick thickened
连衣裙 裙子: dress frock gown
半身裙 短裙 长裙: skirt
裙: dress skirt
T恤 短袖: tshirt tee
短袖T恤: tshirt tee
上衣: top tshirt
衬衫 衬衣: shirt blouse
毛衣 针织衫: sweater jumper knitwear pullover
开衫: cardigan
卫衣: hoodie sweatshirt
外套 夹克: jacket coat
大衣 风衣: coat overcoat trench
羽绒服: parka puffer down
西装 西服: suit blazer
马甲 背心: vest waistcoat tank
裤子 长裤: trousers pants
休闲裤: chinos pants trousers
牛仔裤: jeans denim
短裤: shorts
打底裤: leggings
睡衣: pyjamas pajamas nightwear
内衣: underwear lingerie
文胸: bra
内裤: briefs panties
袜子: socks
泳衣 泳装: swimsuit swimwear bikini
雨衣: raincoat
鞋子 鞋: shoes shoe footwear
运动鞋 跑鞋: sneakers trainers running
靴子: boots boot
凉鞋: sandals sandal
拖鞋: slippers slipper flip
高跟鞋: heels heel
包包 包: bag handbag
手提包 手袋: handbag bag tote
背包 双肩包 书包: backpack rucksack
钱包: wallet purse
行李箱 拉杆箱: suitcase luggage trolley
帽子: hat cap
遮阳帽 太阳帽: hat sun
围巾: scarf
手套: gloves glove
皮带 腰带: belt
领带: tie
眼镜: glasses eyeglasses
太阳镜 墨镜: sunglasses
手表 腕表: watch
项链: necklace pendant
耳环: earrings earring
戒指: ring
手链 手镯: bracelet bangle
首饰 珠宝: jewellery jewelry
雨伞 伞: umbrella
纯棉 棉 棉布: cotton
亚麻: linen
真丝 丝绸: silk
羊毛: wool woollen
羊绒: cashmere
皮革 真皮 牛皮: leather
帆布: canvas
牛仔布: denim
绒面革: suede
毛毡: felt
草编: straw woven
涤纶 聚酯: polyester
尼龙: nylon
蕾丝: lace
天鹅绒: velvet
塑料: plastic
玻璃: glass
木 木质 实木: wood wooden
竹: bamboo
金属: metal
铁: iron
钢: steel
不锈钢: stainless steel
铜 黄铜: brass copper
铝: aluminium aluminum
陶瓷: ceramic
瓷: porcelain china
搪瓷: enamel enamelled
硅胶: silicone
纸: paper
马克杯: mug cup
杯子 水杯 杯: cup mug
茶杯: teacup cup
酒杯: goblet wineglass
保温杯: thermos flask vacuum
茶壶: teapot
咖啡: coffee
茶 茶叶: tea
碗: bowl
盘子 碟子: plate dish
刀 刀具: knife knives
叉子: fork
勺子: spoon
锅: pot pan cookware
平底锅 煎锅: pan skillet
水壶: kettle
瓶子 瓶: bottle
花瓶: vase
盒子 盒: box
篮子: basket
台灯 床头灯: lamp
灯 灯具: lamp light
吊灯: chandelier pendant
灯泡: bulb
蜡烛: candle
烛台: candlestick holder
镜子: mirror
钟 时钟: clock
闹钟: alarm clock
相框: frame
海报: poster
地毯: rug carpet
窗帘: curtain curtains
枕头: pillow
抱枕 靠垫: cushion
被子: quilt duvet comforter
毯子 毛毯: blanket throw
床单: sheet bedding
床: bed
床垫: mattress
毛巾: towel
沙发: sofa couch
椅子: chair
桌子: table desk
书桌: desk
书架: bookshelf bookcase
柜子 衣柜: cabinet wardrobe
抽屉: drawer
架子 置物架: shelf rack
衣架: hanger
垃圾桶: bin trash
扫帚: broom
拖把: mop
吸尘器: vacuum cleaner
洗衣机: washer washing
冰箱: refrigerator fridge
空调: conditioner
风扇 电风扇: fan
加湿器: humidifier
吹风机: dryer hairdryer
剃须刀: shaver razor
牙刷: toothbrush
牙膏: toothpaste
洗发水: shampoo
沐浴露: shower gel
香皂 肥皂: soap
香水: perfume fragrance
口红: lipstick
面膜: mask
面霜: cream moisturizer
防晒霜: sunscreen
指甲油: polish nail
手机: phone smartphone mobile
手机壳 手机套: case cover
电脑: computer pc
笔记本电脑 笔记本: laptop notebook
平板 平板电脑: tablet ipad
键盘: keyboard
鼠标: mouse
显示器: monitor
屏幕: screen
打印机: printer
路由器: router
无线: wireless wifi
蓝牙: bluetooth
耳机: headphones earphones headset earbuds
音箱 音响: speaker speakers
麦克风: microphone
相机 照相机: camera
摄像头: webcam camera
镜头: lens
电视 电视机: tv television
投影仪: projector
游戏机: console
游戏: game games
充电器: charger
充电宝 移动电源: powerbank
电池: battery
数据线 线: cable
电源: power
硬盘: drive disk
内存: memory ram
存储卡: card
适配器: adapter
支架: stand holder mount
遥控器: remote
手环: band tracker
玩具: toy toys
积木: blocks lego
娃娃: doll
毛绒: plush stuffed
拼图: puzzle jigsaw
气球: balloon balloons
书 书籍: book books
日记 日记本: diary journal
笔: pen
铅笔: pencil
贴纸: sticker stickers
卡片 贺卡: card
礼物 礼品: gift present
礼盒: gift box
包装纸: wrap wrapping
丝带 缎带: ribbon
装饰 装饰品: decoration ornament
圣诞节 圣诞: christmas xmas
圣诞树: tree christmas
万圣节: halloween
复活节: easter
情人节: valentine valentines
生日: birthday
婚礼 结婚: wedding
派对 聚会: party
新年 春节: new year
母亲节: mother mothers
心形 爱心 心: heart hearts
星星: star stars
雪花: snowflake
蝴蝶: butterfly
鸟 小鸟: bird
猫: cat
狗: dog
兔子: rabbit bunny
熊 小熊: bear
花 花朵 鲜花: flower flowers floral
叶子: leaf
植物: plant
种子: seed seeds
花园 园艺: garden gardening
户外: outdoor
帐篷: tent
睡袋: sleeping bag
自行车 单车: bike bicycle
头盔: helmet
瑜伽垫: yoga mat
哑铃: dumbbell dumbbells
足球: football soccer
篮球: basketball
网球: tennis
高尔夫: golf
钓鱼: fishing
游泳: swimming swim
汽车 车载: car auto
轮胎: tyre tire
工具: tool tools
锤子: hammer
螺丝刀: screwdriver
钻 电钻: drill
油漆: paint
男 男士 男式 男款: men man mens male
女 女士 女式 女款: women woman womens ladies female
男孩 男童: boy boys
女孩 女童: girl girls
儿童 童 孩子: kids children child
婴儿 宝宝: baby infant
老人: elderly senior
情侣: couple couples
春季 春: spring
夏季 夏: summer
秋季 秋: autumn fall
冬季 冬: winter
大号: large big
小号: small mini
迷你: mini
套装 一套: set kit
新款 新品: new
便宜: cheap
手工: handmade
有机: organic
防水: waterproof
电动: electric
智能: smart
便携: portable
折叠: folding foldable
可调节: adjustable
苹果: apple
香蕉: banana
橙子: orange
柠檬: lemon
牛奶: milk
面包: bread
巧克力: chocolate
饼干: cookies biscuits biscuit
糖果: candy sweets
果汁: juice
水: water
酒 葡萄酒: wine
啤酒: beer
米 大米: rice
面条: noodles pasta
油: oil
盐: salt
糖: sugar
蜂蜜: honey
坚果: nuts
肉: meat
鱼: fish
鸡: chicken
蛋 鸡蛋: egg eggs
奶酪: cheese
蔬菜: vegetable vegetables
水果: fruit fruits
"""


def alike(word: str) -> tuple[str, ...]:
    """What else a thing is called, in both languages, itself left out; nothing for a word that is not in the glossary.

    Parameters
    ----------
    word : Chinese, or English in lower case and without a plural's ending
        As `mmreco.text.stemming.stem` leaves it; so are the answers.

    Examples
    --------
    >>> alike("围巾"), alike("scarf"), alike("zeugma")
    (('scarf',), ('围巾',), ())
    """
    return _table().get(word, ())


@cache
def _table() -> dict[str, tuple[str, ...]]:
    table: dict[str, dict[str, None]] = {}
    for line in _GROUPS.strip().splitlines():
        group = dict.fromkeys(stem(word.lower()) for word in line.replace(":", " ").split())
        for word in group:
            table.setdefault(word, {}).update(group)
    return {word: tuple(other for other in others if other != word) for word, others in table.items()}
